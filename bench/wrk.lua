-- Arguments of ours after `--`: METHOD BODY_SIZE CLOSE [COOKIE...]; prints what happened as one line of figures.
function init(arguments)
   local method, size, close = arguments[1], tonumber(arguments[2]), arguments[3] == "close"
   local headers = close and { ["Connection"] = "close" } or {}
   local body = size > 0 and string.rep("x", size) or nil
   if #arguments == 3 then
      request = function() return wrk.format(method, nil, headers, body) end
      return
   end
   local requests, turn = {}, 0
   for at = 4, #arguments do
      headers["Cookie"] = arguments[at]
      requests[#requests + 1] = wrk.format(method, nil, headers, body)
   end
   request = function()
      turn = turn % #requests + 1
      return requests[turn]
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   local figures = { summary.requests, summary.bytes, summary.duration, failed, latency:percentile(99) }
   io.write(string.format("figures %d %d %d %d %d\n", unpack(figures)))
end
