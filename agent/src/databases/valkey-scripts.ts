/**
 * What must happen at once in Valkey. A script is carried out alone, and its log on disk has it as a whole or not at all; so everything is looked at before
 * the first write.
 */

/** Topics have no slash. */
const takenText = `
local function taken(first)
  if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
    return 'a row of the shard in ' .. KEYS[1]
  end
  for at = first, #ARGV do
    local next = redis.call('HGET', KEYS[2], ARGV[at])
    if next then
      return 'next offset ' .. next .. ' of ' .. ARGV[at]
    end
  end
  return ''
end`;

/**
 * Begins a restoration: removes what an attempt that was killed has left, and makes this attempt the only one that may write.
 *
 * KEYS: mesh_shards, mesh_offsets, the key of the attempt, streams. ARGV: shard, attempt, fields of mesh_offsets. Returns what is there already, or ''.
 */
export const beginScript = `${takenText}
local found = taken(3)
if found == '' then
  for at = 4, #KEYS do
    redis.call('UNLINK', KEYS[at])
  end
  redis.call('SET', KEYS[3], ARGV[2])
end
return found`;

/**
 * Writes entries. KEYS: the key of the attempt, the stream. ARGV: attempt, and for each row its offset, the number of names and values, names and values.
 */
export const writeScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('MESHTAKEN another agent restores the shard')
end
local at = 2
while at <= #ARGV do
  local count = tonumber(ARGV[at + 1])
  redis.call('XADD', KEYS[2], ARGV[at] .. '-1', unpack(ARGV, at + 2, at + 1 + count))
  at = at + 2 + count
end
return 1`;

/**
 * Ends a restoration: offsets and the row of the shard. KEYS: mesh_shards, mesh_offsets, the key of the attempt. ARGV: shard, attempt, the shard's value,
 * then fields of mesh_offsets and their offsets in turn.
 */
export const endScript = `
if redis.call('GET', KEYS[3]) ~= ARGV[2] or redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  return redis.error_reply('MESHTAKEN another agent restores the shard')
end
for at = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('DEL', KEYS[3])
return 1`;

/**
 * Adds the row of a shard; where it has no offsets, what an attempt that was killed has left goes. KEYS: mesh_shards, mesh_offsets, the key of the attempt,
 * streams. ARGV: shard, its value, fields of mesh_offsets. Returns 1, or 0 where the row is there.
 */
export const holdScript = `${takenText}
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  return 0
end
if taken(3) == '' then
  for at = 3, #KEYS do
    redis.call('UNLINK', KEYS[at])
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1`;
