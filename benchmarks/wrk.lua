-- wrk -t THREADS -s wrk.lua URL -- TOKENS zipf|each SEED PATH THREADS
-- Requests of viewers out of a file of tokens, one a line. zipf: the r-th viewer asks 1/r as often as the first;
-- each: one viewer after the other, the threads taking turns, and again from the first.
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  mode, path = args[2], args[4]
  math.randomseed(tonumber(args[3]) + number)
  requests, steps = {}, {}
  local sum, n = 0, 0
  for token in io.lines(args[1]) do
    n = n + 1
    requests[n] = wrk.format("GET", path, { ["Host"] = wrk.headers["Host"], ["Authorization"] = "Bearer " .. token })
    sum = sum + 1 / n
    steps[n] = sum
  end
  turn = tonumber(args[5])
  at = number + 1 - turn
end

local function drawn()
  local wanted, low, high = math.random() * steps[#steps], 1, #steps
  while low < high do
    local middle = math.floor((low + high) / 2)
    if steps[middle] < wanted then low = middle + 1 else high = middle end
  end
  return low
end

function request()
  if mode == "zipf" then return requests[drawn()] end
  at = at + turn
  if at > #requests then at = number + 1 end
  return requests[at]
end

function done(summary, latency, requests)
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d,' ..
    '"p50_us":%d,"p95_us":%d,"p99_us":%d,"max_us":%d}\n',
    summary.requests, summary.duration, summary.bytes, summary.errors.connect, summary.errors.read,
    summary.errors.write, summary.errors.timeout, summary.errors.status,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max))
end
