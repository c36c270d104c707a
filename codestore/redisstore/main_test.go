package redisstore_test

import (
	"os"
	"testing"

	"rekey/test/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }
