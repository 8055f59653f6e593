// Each script is done whole or not at all: Redis does one at a time, and writes its changes to its log
// together. The braces keep all keys together in a cluster, where Redis wants that for scripts.

/** What a row is found by, and the row itself, which is a hash of texts; null is the empty one. */
const rows = `
local prefix = '{data-distribution}:'
local sought = {'arrival', 'queue', 'state', 'claimableAt', 'announced', 'onceKey', 'finishedAt'}

local function key(id) return prefix .. 'delivery:' .. id end

local function seek(id)
  local values, row = redis.call('HMGET', key(id), unpack(sought)), {}
  for at, name in ipairs(sought) do row[name] = values[at] end
  return row
end

-- Of the same time, the one that arrived first comes first: members are in the order of their texts.
local function place(id, row) return string.format('%016d', tonumber(row.arrival)) .. ':' .. id end

local function listed(row)
  return prefix .. 'listed:' .. row.state .. ':' .. row.announced .. ':' .. row.queue
end

local function index(id, row)
  redis.call('ZADD', listed(row), row.arrival, id)
  if row.claimableAt ~= '' then
    redis.call('ZADD', prefix .. 'due:' .. row.queue, row.claimableAt, place(id, row))
  end
  if row.onceKey ~= '' then redis.call('HSET', prefix .. 'once', row.onceKey, id) end
  if row.finishedAt ~= '' and row.announced == '1' then
    redis.call('ZADD', prefix .. 'finished', row.finishedAt, place(id, row))
  end
end

local function unindex(id, row)
  redis.call('ZREM', listed(row), id)
  redis.call('ZREM', prefix .. 'due:' .. row.queue, place(id, row))
  redis.call('ZREM', prefix .. 'finished', place(id, row))
  if row.onceKey ~= '' then redis.call('HDEL', prefix .. 'once', row.onceKey) end
end

-- What a full Redis has thrown away, or a hand has removed, is still in the indexes. It must be in nobody's way.
local function isThere(id) return redis.call('EXISTS', key(id)) == 1 end
local function whole(id) return redis.call('HGETALL', key(id)) end
local function idOf(member) return string.sub(member, 18) end
`;

/** id, changeId, then names and values. Gives the row that is in the way, if any. */
const insert = `${rows}
local id = ARGV[1]
if redis.call('EXISTS', key(id)) == 1 then
  -- A request whose answer was lost is sent again, and finds its own work.
  if redis.call('HGET', key(id), 'changeId') == ARGV[2] then return false end
  return whole(id)
end
local given = {}
for at = 3, #ARGV, 2 do given[ARGV[at]] = ARGV[at + 1] end
if given.onceKey ~= '' then
  local holder = redis.call('HGET', prefix .. 'once', given.onceKey)
  if holder and isThere(holder) then return whole(holder) end
end
given.arrival = redis.call('INCR', prefix .. 'arrivals')
redis.call('HSET', key(id), 'id', id, 'changeId', ARGV[2], 'arrival', given.arrival, unpack(ARGV, 3))
redis.call('SADD', prefix .. 'queues', given.queue)
index(id, seek(id))
return false
`;

/** id, the version that was seen, changeId, then names and values. */
const change = `${rows}
local id = ARGV[1]
local found = redis.call('HMGET', key(id), 'version', 'changeId')
if found[2] == ARGV[3] then return 'changed' end
if found[1] ~= ARGV[2] then return 'stale' end
for at = 4, #ARGV, 2 do
  if ARGV[at] == 'onceKey' and ARGV[at + 1] ~= '' then
    local holder = redis.call('HGET', prefix .. 'once', ARGV[at + 1])
    if holder and holder ~= id and isThere(holder) then return 'key-taken' end
  end
end
unindex(id, seek(id))
redis.call('HSET', key(id), 'changeId', ARGV[3], unpack(ARGV, 4))
index(id, seek(id))
return 'changed'
`;

/** id. Gives the row, or nothing. */
const get = `${rows}
return whole(ARGV[1])
`;

/** queue, time, limit. Gives rows. */
const claimable = `${rows}
local due, found, again = prefix .. 'due:' .. ARGV[1], {}, true
while again do
  found, again = {}, false
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])) do
    local id = idOf(member)
    if isThere(id) then
      found[#found + 1] = whole(id)
    else
      redis.call('ZREM', due, member)
      again = true
    end
  end
end
return found
`;

/**
 * queue, time, the lowest arrival as ZRANGEBYSCORE has it, how many at once at most. What is queued for a
 * later time gets this one. Gives the last arrival that was looked at, or nothing when there are no more.
 */
const hasten = `${rows}
local queued = listed({state = 'queued', announced = '0', queue = ARGV[1]})
local some = redis.call('ZRANGEBYSCORE', queued, ARGV[3], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
for one = 1, #some, 2 do
  local id = some[one]
  local row = seek(id)
  -- Of what was evicted only the id is left.
  local at = row.claimableAt and tonumber(row.claimableAt)
  if at and at > tonumber(ARGV[2]) then
    redis.call('HSET', key(id), 'claimableAt', ARGV[2])
    redis.call('ZADD', prefix .. 'due:' .. ARGV[1], ARGV[2], place(id, row))
  end
end
if #some < 2 * tonumber(ARGV[4]) then return false end
return some[#some]
`;

/** queue. Gives the earliest time, or nothing. */
const nextClaimable = `${rows}
return redis.call('ZRANGE', prefix .. 'due:' .. ARGV[1], 0, 0, 'WITHSCORES')[2]
`;

const queues = `
local function queuesOf(wanted)
  if wanted == '' then return redis.call('SMEMBERS', prefix .. 'queues') end
  return {string.sub(wanted, 2)}
end
`;

/**
 * The highest arrival as ZREVRANGEBYSCORE has it, limit, "" for all queues or ":" and a queue, "0", "1" or
 * "01" for announced, then states. Gives rows, newest first.
 */
const list = `${rows}${queues}
local limit, found, again = tonumber(ARGV[2]), {}, true
while again do
  found, again = {}, false
  for _, queue in ipairs(queuesOf(ARGV[3])) do
    for announced in string.gmatch(ARGV[4], '.') do
      for at = 5, #ARGV do
        local from = listed({state = ARGV[at], announced = announced, queue = queue})
        local some = redis.call('ZREVRANGEBYSCORE', from, ARGV[1], '-inf', 'WITHSCORES', 'LIMIT', 0, limit)
        for one = 1, #some, 2 do
          if isThere(some[one]) then
            found[#found + 1] = {some[one], tonumber(some[one + 1])}
          else
            redis.call('ZREM', from, some[one])
            again = true
          end
        end
      end
    end
  end
end
table.sort(found, function(one, other) return one[2] > other[2] end)
local answer = {}
for at = 1, math.min(limit, #found) do answer[at] = whole(found[at][1]) end
return answer
`;

/** "" for all queues or ":" and a queue, then states. Gives a number for each state. */
const counts = `${rows}${queues}
local counts = {}
for at = 2, #ARGV do counts[at - 1] = 0 end
for _, queue in ipairs(queuesOf(ARGV[1])) do
  for at = 2, #ARGV do
    for _, announced in ipairs({'0', '1'}) do
      local number = redis.call('ZCARD', listed({state = ARGV[at], announced = announced, queue = queue}))
      counts[at - 1] = counts[at - 1] + number
    end
  end
end
return counts
`;

/** The time before which all goes, how many stay, how many go at once at most. Gives how many went. */
const prune = `${rows}
local finished = prefix .. 'finished'
local surplus = redis.call('ZCARD', finished) - tonumber(ARGV[2])
local old = redis.call('ZCOUNT', finished, '-inf', '(' .. ARGV[1])
local number = math.min(math.max(surplus, old, 0), tonumber(ARGV[3]))
if number == 0 then return 0 end
for _, member in ipairs(redis.call('ZRANGE', finished, 0, number - 1)) do
  local id = idOf(member)
  if isThere(id) then unindex(id, seek(id)) end
  redis.call('ZREM', finished, member)
  redis.call('DEL', key(id))
end
return number
`;

/** id, the version that was seen. Gives how many went. */
const remove = `${rows}
local id = ARGV[1]
if redis.call('HGET', key(id), 'version') ~= ARGV[2] then return 0 end
unindex(id, seek(id))
return redis.call('DEL', key(id))
`;

/** name, value. Gives the value that came first. */
const agree = `
redis.call('HSETNX', '{data-distribution}:agreed', ARGV[1], ARGV[2])
return redis.call('HGET', '{data-distribution}:agreed', ARGV[1])
`;

export const scripts = {
  ...{ insert, change, get, claimable, hasten, nextClaimable },
  ...{ list, counts, prune, remove, agree },
};
