-- Codes.Issue (protocol, send, step 3). It answers outcome, time to the next send, time to the expiry, and the ticket.

local n = load()

-- How long the number's interval and caps still forbid a send, and which of them does.
local function wait()
	local longest, outcome = 0, 0
	local function until_(at, o)
		if at - now > longest then longest, outcome = at - now, o end
	end
	if #n.sends == 0 then return 0, 0 end
	if #r.intervals > 0 then
		local unredeemed = #kept(n.sends, function(s) return s.at > n.redeemed end)
		local interval = r.intervals[math.min(math.max(unredeemed, 1), #r.intervals)]
		until_(n.sends[#n.sends].at + interval, ISSUE_TOO_SOON)
	end
	-- A cap of k in a window is free again when the k-th latest send leaves the window: an exact sliding window.
	if r.hour_sends > 0 and #n.sends >= r.hour_sends then until_(n.sends[#n.sends - r.hour_sends + 1].at + HOUR, ISSUE_LIMITED) end
	if r.day_sends > 0 and #n.sends >= r.day_sends then until_(n.sends[#n.sends - r.day_sends + 1].at + DAY, ISSUE_LIMITED) end
	return longest, outcome
end

local function refused(outcome, retry) return {outcome, retry or 0} end

-- issued answers the request that issued a record last.
local function issued(o)
	local next_one = wait()
	local was = o.renewal or {expires = 0, version = 0}
	return {o.renewal and ISSUE_RENEWED or ISSUE_MADE, next_one, o.expires - now, o.flow, o.version, o.key, o.nonce, was.expires, was.version}
end

-- Sent twice, by a client library or after a lost answer: made once (T19).
local latest = newest(n)
if latest and latest.version == n.version and (latest.renewal and latest.renewal.nonce or latest.nonce) == r.nonce then
	touch(n)
	return issued(latest)
end

local longest, outcome = wait()
if outcome ~= 0 then return refused(outcome, longest) end

local flow, old = r.flow, record(n, r.flow)
if not old then flow = r.new_flow end
local renew = false
if old and not old.used and old.own < r.guesses and not (old.own > 0 and over(n)) and old.account == r.account then
	local fingerprint = r.fingerprints[old.key]
	if not fingerprint then
		return refused(ISSUE_UNKNOWN_KEY, old.expires - now)
	elseif fingerprint == old.fingerprint then
		renew = true
	elseif r.replace ~= old.version then
		-- The row that the caller read may be older than the one this code was made for: it looks again.
		return {ISSUE_CHANGED, 0, 0, '', old.version}
	end
end
if not old or old.used then
	local others = kept(n.records, function(o) return o.flow ~= flow and not o.used end)
	if r.live_flows > 0 and #others >= r.live_flows then
		local first = others[1].expires
		for _, o in ipairs(others) do first = math.min(first, o.expires) end
		return refused(ISSUE_FLOWS, first - now)
	end
end

n.version = n.version + 1
if renew then
	old.renewal = {nonce = r.nonce, expires = old.expires, version = old.version}
	old.version = n.version
	old.expires = math.max(old.expires, math.min(now + r.lifetime, old.first + r.max_age))
else
	n.records = kept(n.records, function(o) return o.flow ~= flow end)
	old = {
		flow = flow, version = n.version, key = r.key, nonce = r.nonce, check = r.check,
		account = r.account, fingerprint = r.fingerprints[r.key] or '', first = now, expires = now + r.lifetime,
		own = 0, pool = 0, matched = false, used = false, requests = {}, renewal = false,
	}
	table.insert(n.records, old)
end
table.insert(n.sends, {at = now, version = n.version})
save(n)
return issued(old)
