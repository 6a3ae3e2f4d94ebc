-- wrk's side of a scenario: each request is a line of the file in REQUESTS
-- ("METHOD path token body"), taken in turn, each thread from its own place on.
-- A token of "key:..." is an API key, "-" is none. After "once+" a request has an Idempotency-Key
-- of its own. Where a body says {n}, each request has a text of its own. RUN tells both from those
-- of other runs.
local requests, position = {}, 0
local threads, sent = 0, 0
local run = os.getenv("RUN")

local function fresh()
  sent = sent + 1
  return run .. "-" .. number .. "-" .. sent
end

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  for line in io.lines(os.getenv("REQUESTS")) do
    local method, path, token, body = line:match("^(%S+) (%S+) (%S+) ?(.*)$")
    local headers = { ["Content-Type"] = "application/json" }
    local once = token:match("^once%+(.+)$")
    token = once or token
    local key = token:match("^key:(.+)$")
    if key then
      headers["X-API-Key"] = key
    elseif token ~= "-" then
      headers["Authorization"] = "Bearer " .. token
    end
    if once or body:find("{n}", 1, true) then
      requests[#requests + 1] = function()
        local text = fresh()
        if once then headers["Idempotency-Key"] = text end
        return wrk.format(method, path, headers, (body:gsub("{n}", text)))
      end
    else
      requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
    end
  end
  position = math.floor(#requests / 2) * number
end

function request()
  position = position % #requests + 1
  local one = requests[position]
  return type(one) == "function" and one() or one
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "p50": %d, "p95": %d, "p99": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
