-- Writes one stretch: entries of a stream, and the offset that follows them. A script is atomic: nobody sees a part of it, and the log on disk has it
-- as a whole or not at all. So everything is looked at before the first write; nothing after it can fail.
--
-- KEYS: the hash of offsets, the stream. ARGV: the partition's field, the offset that is expected there ('' for none), the next offset, and for each row
-- its offset, the number of names and values, names and values. Returns 1, or 0 where another offset is there.
-- Rows are in the order of their offsets.
local expected = ARGV[2]
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= expected then
  return 0
end
-- Rows at or below the last entry are there already where somebody took the offset back. Where they are not, they can never be: ids only rise.
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local lastOffset = -1
if #last > 0 then
  lastOffset = tonumber(string.match(last[1][1], '^(%d+)-'))
end
local at = 4
while at <= #ARGV and tonumber(ARGV[at]) <= lastOffset do
  if #redis.call('XRANGE', KEYS[2], ARGV[at] .. '-1', ARGV[at] .. '-1') == 0 then
    return redis.error_reply('MESHORDER ' .. KEYS[2] .. ' has later entries, but none of offset ' .. ARGV[at])
  end
  at = at + 2 + tonumber(ARGV[at + 1])
end
while at <= #ARGV do
  local count = tonumber(ARGV[at + 1])
  redis.call('XADD', KEYS[2], ARGV[at] .. '-1', unpack(ARGV, at + 2, at + 1 + count))
  at = at + 2 + count
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
