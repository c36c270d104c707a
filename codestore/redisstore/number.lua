-- What every step on a number begins with: the number's document is read, what has expired is forgotten, and a step that
-- changes it stores it again. The steps are those of codestore/number.go, line by line; so are the words. Instants and
-- durations are microseconds, which a Lua number holds exactly until the year 2255 (2^53).
--
-- KEYS[1] is the number's key, ARGV[1] the request in JSON. The document is packed by MessagePack, in arrays without
-- names, since there are as many of them as people who forgot their password.

local FORMAT = 1
local SECOND = 1000000
local HOUR, DAY = 3600 * SECOND, 86400 * SECOND
local REMEMBERED, ROW_MEMORY, MATCHED = 8, 365 * DAY, -1
local ISSUE_MADE, ISSUE_RENEWED, ISSUE_TOO_SOON, ISSUE_LIMITED, ISSUE_FLOWS, ISSUE_CHANGED, ISSUE_UNKNOWN_KEY = 1, 2, 3, 4, 5, 6, 7
local GUESS_EXPIRED, GUESS_WRONG, GUESS_MATCH, GUESS_EXHAUSTED, GUESS_RESTRICTED, GUESS_UNKNOWN_KEY = 1, 2, 3, 4, 5, 6

local time = redis.call('TIME')
local now = time[1] * SECOND + time[2]
local r = cjson.decode(ARGV[1])

-- The fields of things in the order in which they are packed. What is added later goes last.
local NUMBER = {'version', 'row', 'row_at', 'redeemed', 'sends', 'wrong', 'records'}
local SEND = {'at', 'version'}
local RECORD = {'flow', 'version', 'key', 'nonce', 'check', 'account', 'fingerprint', 'first', 'expires', 'own', 'pool',
	'matched', 'used', 'requests', 'renewal'}
local REQUEST = {'name', 'left'}
local RENEWAL = {'nonce', 'expires', 'version'} -- what a record's latest issue has to tell again; false: there was but one

local function packed(thing, fields)
	local list = {}
	for i, field in ipairs(fields) do list[i] = thing[field] end
	return list
end

local function named(list, fields)
	local thing = {}
	for i, field in ipairs(fields) do thing[field] = list[i] end
	return thing
end

local function map(list, f, fields)
	local all = {}
	for i, v in ipairs(list) do all[i] = f(v, fields) end
	return all
end

local function kept(list, keep)
	local all = {}
	for _, v in ipairs(list) do
		if keep(v) then all[#all + 1] = v end
	end
	return all
end

-- load returns the number without what has expired. A key that is not of our making is an error, never a number that
-- bears no guesses: one of another type is refused by GET.
local function load()
	local stored = redis.call('GET', KEYS[1])
	if not stored then
		return {version = 0, row = 0, row_at = 0, redeemed = 0, sends = {}, wrong = {}, records = {}}
	end
	local read, list = pcall(cmsgpack.unpack, stored)
	if not read or type(list) ~= 'table' or list[1] ~= FORMAT then
		error('a key of the code store does not hold what rekey stores')
	end
	table.remove(list, 1)
	local n = named(list, NUMBER)
	n.sends = kept(map(n.sends, named, SEND), function(s) return s.at + DAY > now end)
	n.wrong = kept(n.wrong, function(at) return at + DAY > now end)
	n.records = kept(map(n.records, named, RECORD), function(o) return o.expires > now end)
	for _, o in ipairs(n.records) do
		o.requests = map(o.requests, named, REQUEST)
		o.renewal = o.renewal and named(o.renewal, RENEWAL)
	end
	return n
end

-- lifetime is how long the number must be remembered, in milliseconds.
local function lifetime(n)
	local last = 0
	if #n.sends > 0 then last = n.sends[#n.sends].at + DAY end
	if #n.wrong > 0 then last = math.max(last, n.wrong[#n.wrong] + DAY) end
	if n.row > 0 then last = math.max(last, n.row_at + ROW_MEMORY) end
	for _, o in ipairs(n.records) do last = math.max(last, o.expires) end
	return math.ceil((last - now) / 1000)
end

-- touch changes nothing, by a write that replicas can be waited for: what was stored before may not have reached them.
local function touch(n) redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lifetime(n))) end

-- save stores the number as it is now. Every key expires.
local function save(n)
	local left = lifetime(n)
	if left <= 0 then
		redis.call('DEL', KEYS[1])
		return
	end
	local stored = packed(n, NUMBER)
	stored[5] = map(n.sends, packed, SEND)
	stored[7] = map(n.records, function(o)
		local list = packed(o, RECORD)
		list[14] = map(o.requests, packed, REQUEST)
		list[15] = o.renewal and packed(o.renewal, RENEWAL)
		return list
	end)
	table.insert(stored, 1, FORMAT)
	redis.call('SET', KEYS[1], cmsgpack.pack(stored), 'PX', string.format('%.0f', left))
end

-- record is that of a flow.
local function record(n, flow)
	for _, o in ipairs(n.records) do
		if flow ~= '' and o.flow == flow then return o end
	end
end

-- over reports whether the number bears so many wrong guesses that no more than first ones are free.
local function over(n)
	local over_day = r.strict or (r.day_wrong > 0 and #n.wrong >= r.day_wrong)
	local over_row = r.row_wrong > 0 and n.row >= r.row_wrong
	return over_row or (over_day and not r.proven)
end

-- newest is the record that was issued last, used or not.
local function newest(n)
	local latest
	for _, o in ipairs(n.records) do
		if not latest or o.version > latest.version then latest = o end
	end
	return latest
end

local function remember(o, name, left, most)
	o.requests = kept(o.requests, function(q) return q.name ~= name end)
	table.insert(o.requests, {name = name, left = left})
	while #o.requests > math.max(REMEMBERED, most) do table.remove(o.requests, 1) end
end
