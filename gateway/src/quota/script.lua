-- Grants or refuses the claims of one gateway, all together, and keeps its sums.
--
-- A sum is a hash. Its fields are `SLOT:NODE`, one for each part of the window and each gateway, and
-- hold what that gateway has settled and holds there: dollars, pico-dollars below a millionth, tokens,
-- requests, and of these the dollars that are only held. A gateway knows its own fields and sends them
-- whole, so that whatever was lost or came twice is put right by the next batch.
--
-- Dollars are whole millionths and a rest, because numbers here are exact only up to 2^53.
--
-- KEYS: the state, then each sum.
-- ARGV: node, sequence, run, clock, tolerance, warm-up, batch.
local FINE = 1000000
local time = redis.call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)
local node, sequence, run = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local batch = cjson.decode(ARGV[7])
local function text(number) return string.format('%.0f', number) end

-- Windows are counted from the gateway's clock, which must be that of everybody else.
if math.abs(clock - tonumber(ARGV[4])) > tonumber(ARGV[5]) then return { 'SKEW', text(clock) } end

-- What was sent before something that is here already comes from a connection that was given up.
local state = KEYS[1]
local seen = tonumber(redis.call('HGET', state, 'sequence:' .. node) or '0')
if sequence <= seen then return { 'STALE', text(seen) } end

-- A server that was started anew may have lost sums. An epoch begins, in which all tell theirs again.
local epoch = tonumber(redis.call('HGET', state, 'epoch') or '0')
if epoch == 0 or redis.call('HGET', state, 'run') ~= run then
  epoch = clock
  redis.call('HSET', state, 'run', run, 'epoch', text(epoch))
end
local warming = clock < epoch + tonumber(ARGV[6])
redis.call('HSET', state, 'sequence:' .. node, text(sequence), 'seen:' .. node, text(clock))

local nodes, alive = 0, {}
local known = redis.call('HGETALL', state)
for i = 1, #known, 2 do
  if string.sub(known[i], 1, 5) == 'seen:' and clock - tonumber(known[i + 1]) < 10000 then
    nodes = nodes + 1
    alive[string.sub(known[i], 6)] = true
  end
end

local function read(field)
  local sum = {}
  for number in string.gmatch(field, '%S+') do sum[#sum + 1] = tonumber(number) end
  return sum
end
local function add(sum, other)
  for i = 1, 6 do sum[i] = sum[i] + (other[i] or 0) end
  for i = 1, 5, 4 do
    local carry = math.floor(sum[i + 1] / FINE)
    sum[i], sum[i + 1] = sum[i] + carry, sum[i + 1] - carry * FINE
  end
end
local function greater(a, a_fine, b, b_fine) return a > b or (a == b and a_fine > b_fine) end

-- Each sum: its total, and the own fields by slot.
local totals, owned = {}, {}
for i, sum in ipairs(batch.sums) do
  local total, own, lapsed = { 0, 0, 0, 0, 0, 0 }, {}, {}
  for _, slot in ipairs(sum.own) do
    own[text(slot[1])] = { slot[2], slot[3], slot[4], slot[5], slot[6], slot[7] }
  end
  local fields = redis.call('HGETALL', KEYS[i + 1])
  for f = 1, #fields, 2 do
    local slot, whose = string.match(fields[f], '^(%-?%d+):(.*)$')
    -- Calls of a gateway that is gone are gone too, and so are their places.
    if tonumber(slot) < sum.oldest or (sum.places and not alive[whose]) then
      lapsed[#lapsed + 1] = fields[f]
    elseif whose ~= node then
      add(total, read(fields[f + 1]))
    elseif sum.adopt then
      -- The gateway was started anew, and what it held before counts as it was held.
      local before, now = read(fields[f + 1]), own[slot] or { 0, 0, 0, 0, 0, 0 }
      if greater(before[1], before[2], now[1], now[2]) then
        now[1], now[2] = before[1], before[2]
      end
      now[3], now[4] = math.max(before[3], now[3]), math.max(before[4], now[4])
      own[slot] = now
    end
  end
  if #lapsed > 0 then redis.call('HDEL', KEYS[i + 1], unpack(lapsed)) end
  for _, slot in pairs(own) do add(total, slot) end
  totals[i], owned[i] = total, own
end

local reply = { 'OK', text(clock), text(epoch), text(nodes) }
local function tell(...)
  for _, number in ipairs({ ... }) do reply[#reply + 1] = text(number) end
end
for i, sum in ipairs(batch.sums) do
  if sum.adopt then
    local slots = {}
    for slot, own in pairs(owned[i]) do slots[#slots + 1] = { slot, own } end
    tell(#slots)
    for _, slot in ipairs(slots) do
      tell(tonumber(slot[1]), slot[2][1], slot[2][2], slot[2][3], slot[2][4])
    end
  end
end

-- 0: granted; otherwise 10 * the part that refuses + 1 dollars, 2 tokens, 3 requests, 4 not known yet.
local function refusal(claim)
  for p, part in ipairs(claim) do
    local total, limit = totals[part[1]], batch.sums[part[1]].limit
    local after = { total[1], total[2], total[3], total[4], 0, 0 }
    add(after, { part[3], part[4], part[5], part[6] })
    if part[2] == 2 and warming then return 10 * p + 4 end
    if part[2] > 0 then
      local takes = part[3] > 0 or part[4] > 0
      if takes and limit[1] >= 0 and greater(after[1], after[2], limit[1], limit[2]) then
        return 10 * p + 1
      end
      if part[5] > 0 and limit[3] >= 0 and after[3] > limit[3] then return 10 * p + 2 end
      if part[6] > 0 and limit[4] >= 0 and after[4] > limit[4] then return 10 * p + 3 end
    end
  end
  return 0
end
for _, claim in ipairs(batch.claims) do
  local refused = refusal(claim)
  tell(refused)
  for _, part in ipairs(claim) do
    local total = totals[part[1]]
    tell(total[1], total[2], total[3], total[4])
    if refused == 0 then
      local taken = { part[3], part[4], part[5], part[6], part[3], part[4] }
      local slot = text(batch.sums[part[1]].slot)
      local own = owned[part[1]]
      own[slot] = own[slot] or { 0, 0, 0, 0, 0, 0 }
      add(own[slot], taken)
    end
  end
  if refused == 0 then
    for _, part in ipairs(claim) do
      add(totals[part[1]], { part[3], part[4], part[5], part[6], part[3], part[4] })
    end
  end
end

for i, sum in ipairs(batch.sums) do
  local key, own = KEYS[i + 1], owned[i]
  for slot, value in pairs(own) do
    local numbers = {}
    for n = 1, 6 do numbers[n] = text(value[n]) end
    redis.call('HSET', key, slot .. ':' .. node, table.concat(numbers, ' '))
  end
  if sum.ttl > 0 then redis.call('PEXPIRE', key, text(sum.ttl)) end
  tell(unpack(totals[i]))
end
return reply
