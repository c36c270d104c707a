-- Codes.Guess (protocol, reset, step 2): it counts and compares at once. Only a comparison that fails is charged. Once a
-- script has begun nothing else runs, so that no verdict leaves before its charge is stored (T01). It answers outcome,
-- and what the verdict says.

local n = load()

local function match(o, again)
	return {GUESS_MATCH, again, o.used and 1 or 0, o.flow, o.nonce, o.account, o.key, o.fingerprint}
end

local o = record(n, r.flow)
local own = o ~= nil
if not own then o = newest(n) end
if not o or (not own and r.pool_guesses == 0) then return {GUESS_EXPIRED} end
for _, before in ipairs(o.requests) do
	if before.name == r.request then
		if before.left == MATCHED then
			touch(n)
			return match(o, 1)
		elseif not o.used then
			touch(n)
			return {GUESS_WRONG, 1, before.left, 0}
		end
	end
end
if o.used then return {GUESS_EXPIRED} end
local wrong, budget = 'own', r.guesses
if not own then wrong, budget = 'pool', r.pool_guesses end
if o[wrong] >= budget then return {GUESS_EXHAUSTED} end
-- A code's first guess in its flow stays free whatever strangers did, or they could lock the owner out (T13).
if (not own or o.own > 0) and over(n) then return {GUESS_RESTRICTED} end
local check = r.checks[o.key]
if not check then return {GUESS_UNKNOWN_KEY} end
if check == o.check then -- of keyed hashes, so that the time it takes says nothing of the code
	if r.account ~= o.account or r.fingerprints[o.key] ~= o.fingerprint then
		return match(o, 0) -- void, and nothing to remember: this request comes after the change (T45)
	end
	if not o.matched then
		o.matched = true
		o.expires = math.max(o.expires, now + r.grace)
	end
	remember(o, r.request, MATCHED, r.guesses + r.pool_guesses)
	save(n)
	return match(o, 0)
end
o[wrong] = o[wrong] + 1
n.row, n.row_at = n.row + 1, now
if r.day_wrong > 0 then
	table.insert(n.wrong, now)
	while #n.wrong > r.day_wrong do table.remove(n.wrong, 1) end
end
local left = budget - o[wrong]
remember(o, r.request, left, r.guesses + r.pool_guesses)
save(n)
return {GUESS_WRONG, 0, left, n.row}
