package codestoretest

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// ageScript moves one key into the past: the instants in what it holds, which are the numbers from 2001 on in microseconds,
// and its expiry. A budget's day is none of them: it goes with the budget, once that is over by what it holds itself, since a
// key may live for some milliseconds longer.
const ageScript = `
local age = tonumber(ARGV[1])
local left = redis.call('PTTL', KEYS[1]) - math.floor(age / 1000)
if left <= 0 then return redis.call('DEL', KEYS[1]) end
local read, value = pcall(cmsgpack.unpack, redis.call('GET', KEYS[1]))
if not read or type(value) ~= 'table' then return redis.call('PEXPIRE', KEYS[1], left) end
local time, over = redis.call('TIME'), tonumber(value[2]) or 0 -- of a number this is its version
if over >= 1e15 and over - age <= time[1] * 1000000 + time[2] then return redis.call('DEL', KEYS[1]) end
local function aged(v)
	if type(v) == 'number' and v >= 1e15 then return v - age end
	if type(v) ~= 'table' then return v end
	local all = {}
	for i, e in ipairs(v) do all[i] = aged(e) end
	return all
end
redis.call('SET', KEYS[1], cmsgpack.pack(aged(value)), 'PX', left)
`

// AgeRedis is Age for a store in Redis whose keys begin with prefix.
func AgeRedis(t testing.TB, client redis.UniversalClient, prefix string, d time.Duration) {
	t.Helper()
	each := func(ctx context.Context, node *redis.Client) error {
		keys := node.Scan(ctx, 0, prefix+"*", 1000).Iterator()
		for keys.Next(ctx) {
			if err := client.Eval(ctx, ageScript, []string{keys.Val()}, d.Microseconds()).Err(); err != nil && err != redis.Nil {
				return err
			}
		}
		return keys.Err()
	}
	var err error
	switch c := client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(t.Context(), each)
	case *redis.Client:
		err = each(t.Context(), c)
	default:
		t.Fatalf("a %T has keys that can't be listed", client)
	}
	if err != nil {
		t.Fatal(err)
	}
}
