package main

import (
	"cmp"
	"fmt"
	"runtime/debug"
)

type versionCommand struct{}

func (*versionCommand) Help() string {
	return `Prints the version, the commit it was built from and the Go version, one line each.

Example:

    rekey version`
}

// Run reads what the Go toolchain put into the binary (runtime/debug.BuildInfo); nothing is set at link time.
func (*versionCommand) Run(t *terminal) error {
	version, commit, goVersion := "(unknown)", "", "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok {
		version, goVersion = info.Main.Version, info.GoVersion
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value + commit
			case s.Key == "vcs.modified" && s.Value == "true":
				commit += " with changes"
			}
		}
	}
	_, err := fmt.Fprintf(t.stdout, "rekey %s\ncommit %s\n%s\n", version, cmp.Or(commit, "(unknown)"), goVersion)
	return err
}
