-- Codes.Withdraw: takes an undelivered issue back.

local n = load()
local o = record(n, r.flow)
-- Versions begin anew in a number of which nothing was left: a ticket that is sent twice must not hit a younger code (T19).
if not o or o.version ~= r.version or o.nonce ~= r.nonce or o.matched then return 0 end
n.sends = kept(n.sends, function(s) return s.version ~= r.version end)
if r.prior_expiry == 0 then
	n.records = kept(n.records, function(other) return other.flow ~= r.flow end)
else
	o.version = r.prior_version -- a second Withdraw of the ticket finds another version and does nothing
	o.expires = r.prior_expiry
end
save(n)
return 1
