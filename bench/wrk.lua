-- Arguments of ours after `--`: METHOD BODY_SIZE CLOSE TRACED [COOKIE...]; prints what happened as one line of figures.
function init(arguments)
   local method, size, close = arguments[1], tonumber(arguments[2]), arguments[3] == "close"
   local traced = arguments[4] == "traced"
   local headers = close and { ["Connection"] = "close" } or {}
   local body = size > 0 and string.rep("x", size) or nil
   local requests, turn = {}, 0
   if traced then
      request = function()
         turn = turn + 1
         headers["Traceparent"] = string.format("00-%032x-%016x-01", turn, turn)
         return wrk.format(method, nil, headers, body)
      end
      return
   end
   if #arguments == 4 then
      request = function() return wrk.format(method, nil, headers, body) end
      return
   end
   for at = 5, #arguments do
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
