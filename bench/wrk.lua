-- Arguments of ours after `--`: METHOD BODY_SIZE CLOSE; prints what happened as one line of figures.
function init(arguments)
   local method, size, close = arguments[1], tonumber(arguments[2]), arguments[3] == "close"
   local headers = close and { ["Connection"] = "close" } or {}
   local body = size > 0 and string.rep("x", size) or nil
   request = function() return wrk.format(method, nil, headers, body) end
end

function done(summary, latency, requests)
   local errors = summary.errors
   local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   local figures = { summary.requests, summary.bytes, summary.duration, failed, latency:percentile(99) }
   io.write(string.format("figures %d %d %d %d %d\n", unpack(figures)))
end
