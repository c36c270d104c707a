package main

import "fmt"

type configCommand struct {
	configured
	Check bool `help:"Only say what rekey serve would object to."`
}

func (*configCommand) Help() string {
	return `Prints the configuration in force as TOML, secrets hidden. Behind each value stands where it comes from:
"default", the line of the file, or the environment variable. What is wrong is listed on stderr, and
the exit code is 1 then.

Example:

    rekey config --check --config /etc/rekey/rekey.toml`
}

// Run shows what there is even if it is faulty: that is when an operator wants to see it.
func (c *configCommand) Run(t *terminal) error {
	l := load(c.Config, t.env)
	l.requireKeys()
	if !c.Check {
		if err := l.show(t.stdout); err != nil {
			return err
		}
	}
	if len(l.faults) > 0 {
		return l.faults
	}
	if c.Check {
		_, err := fmt.Fprintln(t.stdout, "The configuration is sound.")
		return err
	}
	return nil
}
