-- Codes.Finish: marks a redeemed record (protocol, reset, step 6).

local n = load()
local o = record(n, r.flow)
if o and o.nonce == r.nonce then
	if o.used then return 0 end -- done before: wrong guesses since then stay counted (T19)
	o.used = true
	remember(o, r.request, MATCHED, #o.requests)
end
n.records = kept(n.records, function(other)
	return other.flow == r.flow or other.account ~= r.account or r.fingerprints[other.key] ~= other.fingerprint
end)
n.row, n.row_at = 0, 0
n.redeemed = now
save(n)
return 1
