package userdb_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// crowd is how many rows a table has of which a sample is read.
const crowd = 110_000

// sequence is a query with n as 1 to count.
func sequence(d *database, count int) string {
	switch d.Kind {
	case databases.PostgreSQL:
		return fmt.Sprintf("(SELECT generate_series(CAST(1 AS BIGINT), %d) AS n) AS counted", count)
	case databases.MySQL:
		return fmt.Sprintf("(SELECT seq AS n FROM seq_1_to_%d) AS counted", count)
	default:
		return fmt.Sprintf("(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d) SELECT n FROM c) AS counted", count)
	}
}

// crowded fills djangoTable. id and mobile are expressions of n; every tenth account is inactive.
func crowded(t testing.TB, d *database, hash, id, mobile string, count int) {
	t.Helper()
	d.exec(t, "INSERT INTO auth_user (id, mobile, password, is_active) SELECT "+id+", "+mobile+", '"+hash+"', n % 10 <> 0 FROM "+sequence(d, count))
	switch d.Kind {
	case databases.PostgreSQL:
		d.exec(t, "VACUUM ANALYZE auth_user")
	case databases.MySQL:
		d.exec(t, "ANALYZE TABLE auth_user")
	}
}

// national is the n-th number.
func (d *database) national() string {
	if d.Kind == databases.MySQL {
		return "CONCAT('', 13800000000 + n)"
	}
	return "CAST(13800000000 + n AS VARCHAR(20))"
}

// TestSurvey_OfALargeTableReadsASampleFromAllOfIt has a lonely first id far before the others, as tables have whose ids
// begin with a time.
func TestSurvey_OfALargeTableReadsASampleFromAllOfIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := djangoTable(t, d)
		old, younger := userdbtest.Hash(t, djangoFloor, "Abc123"), "md5$salt$"+strings.Repeat("0a", 16)
		person(t, d, "13900000001", old, true)
		const first = "1700000000000000000"
		crowded(t, d, old, first+" + n * 1000003", d.national(), crowd)
		// In the middle, neither among the oldest nor the youngest: two out of five have another hash, one out of ten
		// spells the number otherwise, and twelve numbers have a second account.
		between := fmt.Sprintf(" WHERE id > %s + %d * CAST(1000003 AS DECIMAL) AND id < %[1]s + %[3]d * CAST(1000003 AS DECIMAL)", first, crowd/10, crowd*9/10)
		d.exec(t, "UPDATE auth_user SET password = ?"+between+" AND id % 5 < 2", younger)
		d.exec(t, "UPDATE auth_user SET mobile = "+plus(d)+between+" AND id % 10 = 5")
		for i := range 12 {
			person(t, d, fmt.Sprintf("138000%05d", 51_001+i), old, true)
		}
		began := time.Now()
		r := surveyed(t, d.options(s))
		t.Logf("it took %v", time.Since(began))
		if r.Whole || !r.About || r.Looked < 30_000 || r.Looked > 60_001 || r.Rows < crowd*8/10 || r.Rows > crowd*12/10 {
			t.Errorf("%d rows of %d were looked at", r.Looked, r.Rows)
		}
		share := func(n int64) float64 { return float64(n) / float64(r.Looked) }
		for _, h := range r.Hashes {
			// Two thirds of the sample are from places in between, 0.86 of which are in the middle, where 0.4 have it.
			if h.Format == "md5" && (share(h.Rows) < 0.12 || share(h.Rows) > 0.32) {
				t.Errorf("%v of the sample have the other hash", share(h.Rows))
			}
		}
		if len(r.Hashes) != 2 {
			t.Errorf("%+v", r.Hashes)
		}
		if got := share(r.Numbers.Other); got < 0.02 || got > 0.09 {
			t.Errorf("%v of the sample spell otherwise", got)
		}
		if got := share(r.Accounts.Inactive); got < 0.08 || got > 0.12 {
			t.Errorf("%v of the sample are inactive", got)
		}
		// The accounts that share a number in one spelling are found by the index, whether they are in the sample or not.
		if r.Numbers.Shared < 9 || r.Numbers.Shared > 12 { // a tenth are inactive
			t.Errorf("%d numbers are shared", r.Numbers.Shared)
		}
		if f := found(t, r, "numbers.other", userdb.Advice); !strings.Contains(f.Text, "looked at") {
			t.Errorf("it does not say that it is a sample: %q", f.Text)
		}
		found(t, r, "reset.rehearsed", userdb.Fine)
	})
}

// plus is the number with the calling code before it.
func plus(d *database) string {
	if d.Kind == databases.MySQL {
		return "CONCAT('+86', mobile)"
	}
	return "'+86' || mobile"
}

// Ids that are texts have no places in between to draw: the sample is the two ends.
func TestSurvey_OfALargeTableWithTextsForIDsReadsBothEnds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.exec(t, "CREATE TABLE people (id VARCHAR(40) PRIMARY KEY, mobile VARCHAR(20), secret VARCHAR(255))")
		d.exec(t, "CREATE UNIQUE INDEX people_mobile ON people (mobile)")
		hash := userdbtest.Hash(t, userdbtest.Cheap, "Abc123")
		id := "'u-' || (1000000 + n)"
		if d.Kind == databases.MySQL {
			id = "CONCAT('u-', 1000000 + n)"
		}
		d.exec(t, "INSERT INTO people SELECT "+id+", "+d.national()+", '"+hash+"' FROM "+sequence(d, crowd))
		d.exec(t, "UPDATE people SET secret = '!' WHERE id = ?", fmt.Sprintf("u-%d", 1_000_001))
		d.exec(t, "UPDATE people SET secret = '' WHERE id = ?", fmt.Sprintf("u-%d", 1_000_000+crowd))
		s := userdb.Settings{Preset: "custom", Table: "people", ID: "id", Mobile: "mobile", Password: "secret", Active: "none", HashFloor: userdbtest.Cheap}
		r := surveyed(t, d.options(s))
		if r.Looked != 20_000 || r.Accounts.Unusable != 2 {
			t.Errorf("%+v", r)
		}
		// The index is unique.
		if r.Numbers.Shared != 0 || !r.Numbers.SharedWhole {
			t.Errorf("%+v", r.Numbers)
		}
	})
}

// A table without any order is read as it comes.
func TestSurvey_OfATableWithoutAKeyReadsItOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.exec(t, "CREATE TABLE people (id INTEGER, mobile VARCHAR(20), secret VARCHAR(255))")
		hash := userdbtest.Hash(t, userdbtest.Cheap, "Abc123")
		d.exec(t, "INSERT INTO people SELECT n, "+d.national()+", '"+hash+"' FROM "+sequence(d, 5000))
		s := userdb.Settings{Preset: "custom", Table: "people", ID: "id", Mobile: "mobile", Password: "secret", Active: "none", HashFloor: userdbtest.Cheap}
		r := surveyed(t, d.options(s))
		if !r.Whole || r.Looked != 5000 || r.Accounts.Recoverable != 5000 {
			t.Errorf("%+v", r)
		}
		found(t, r, "index.id", userdb.Mend)
		found(t, r, "index.number", userdb.Mend)
	})
}

func TestSurvey_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := djangoTable(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := userdb.Survey(ctx, d.options(s), rekey.ChinaMobile, time.Minute); err == nil {
			t.Error("it went on")
		}
	})
}
