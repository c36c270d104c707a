-- All charges of one request to one bucket: all of them or none, as codestore/budget.go makes them. Instants and durations
-- are microseconds. KEYS[1] is the bucket's key, the others are marks of what is counted once, under the same hash tag.
-- ARGV[1] is the request in JSON: the charges, and whether they are only looked at, or given back after another bucket
-- refused. It answers which charge refuses (0: none), for how long, what is used by charge, and which charges were made.

local FORMAT = 1
local DAY = 86400 * 1000000
local RATE, DAILY, CONVERSION, REDEEMED = 1, 2, 3, 4

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local r = cjson.decode(ARGV[1])

-- A key that is not of our making is an error, never an empty budget: one of another type is refused by GET.
local b = {expires = 0, day = 0, count = 0, rates = {}, slots = {}}
local stored = redis.call('GET', KEYS[1])
if stored then
	local read, list = pcall(cmsgpack.unpack, stored)
	if not read or type(list) ~= 'table' or list[1] ~= FORMAT then
		error('a key of the code store does not hold what rekey stores')
	end
	b = {expires = list[2], day = list[3], count = list[4], rates = list[5], slots = list[6]}
end

-- rate is the generic cell rate algorithm (ITU-T I.371, annex A, virtual scheduling). The bucket's rates stand in pairs of
-- window and theoretical arrival time. step is what the charge moves that on by, ask what must fit (one more, for a look).
local function rate(c)
	local at = #b.rates + 1
	for i = 1, #b.rates, 2 do
		if b.rates[i] == c.window then at = i end
	end
	local tat = math.max(b.rates[at + 1] or 0, now)
	local function used() return math.ceil((tat - now) * 1000 / c.emission) end
	local ahead = tat + c.ask - now
	if c.cost >= 0 and ahead > c.window then return used(), ahead - c.window end
	tat = math.max(tat + c.step, now)
	b.rates[at], b.rates[at + 1] = c.window, tat
	b.expires = math.max(b.expires, tat)
	return used(), 0
end

-- daily counts within a calendar day, in UTC.
local function daily(c)
	local today = math.floor(now / DAY)
	if b.day ~= today then b.day, b.count = today, 0 end
	local tomorrow = (today + 1) * DAY
	if c.cost >= 0 and b.count + math.max(c.cost, 1) > c.limit then return b.count, tomorrow - now end
	b.count = math.max(0, b.count + c.cost)
	b.expires = math.max(b.expires, tomorrow)
	return b.count, 0
end

-- conversion counts what was sent and redeemed in slots of {start, sent, redeemed}, oldest first, and refuses further sends
-- while too little comes back.
local function conversion(c)
	local sent, redeemed, slots = 0, 0, {}
	for _, s in ipairs(b.slots) do
		if s[1] + c.window > now then
			slots[#slots + 1] = s
			sent, redeemed = sent + s[2], redeemed + s[3]
		end
	end
	b.slots = slots
	if c.kind == CONVERSION and c.cost >= 0 and sent >= c.limit and redeemed < c.floor * sent then
		return sent, slots[1][1] + c.window - now
	end
	local start = now - now % c.slot
	if #slots == 0 or slots[#slots][1] < start then slots[#slots + 1] = {start, 0, 0} end
	local latest = slots[#slots]
	if c.kind == REDEEMED then
		latest[3] = latest[3] + c.cost
	else
		latest[2] = math.max(0, latest[2] + c.cost) -- what is given back may have been charged to an earlier slot
		sent = sent + c.cost
	end
	b.expires = math.max(b.expires, latest[1] + c.window)
	return sent, 0
end

local charge = {[RATE] = rate, [DAILY] = daily, [CONVERSION] = conversion, [REDEEMED] = conversion}
local used, made, marks, changed = {}, {}, {}, false
for i, c in ipairs(r.charges) do
	used[i], made[i] = 0, 0
	if c.mark == 0 or redis.call('GET', KEYS[c.mark]) == false then
		local wait
		used[i], wait = charge[c.kind](c)
		if wait > 0 then return {i, math.ceil(wait), used, made} end
		made[i] = 1
		if c.cost ~= 0 then changed = true end
		if c.mark > 0 and c.cost > 0 then marks[c.mark] = c.once_for end
	end
end
if not changed or r.look then return {0, 0, used, made} end
for mark, for_ in pairs(marks) do
	redis.call('SET', KEYS[mark], '1', 'PX', string.format('%.0f', math.ceil(for_ / 1000)))
end
if r.back then
	for i = 2, #KEYS do redis.call('DEL', KEYS[i]) end
end
local left = math.ceil((b.expires - now) / 1000)
if left <= 0 then
	redis.call('DEL', KEYS[1])
else
	redis.call('SET', KEYS[1], cmsgpack.pack({FORMAT, b.expires, b.day, b.count, b.rates, b.slots}), 'PX', string.format('%.0f', left))
end
return {0, 0, used, made}
