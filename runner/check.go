package runner

import (
	"errors"

	"tutti/internal/fault"
	"tutti/inventory"
)

// Check refuses a request whose parts are wrong, or do not fit together. Setting a
// value has already refused texts that are wrong by themselves.
func (r *Request) Check() error { return r.checkAll(r.checkLogin) }

// Complete is Check, and sets the known_hosts file from the environment if the request
// names none. It refuses a file that cannot be a known_hosts file.
func (r *Request) Complete(getenv func(string) string) error {
	return r.checkAll(func() error {
		if err := r.checkLogin(); err != nil {
			return err
		}
		if r.Login.KnownHosts == "" {
			r.Login.KnownHosts = getenv("TUTTI_KNOWN_HOSTS")
		}
		return checkKnownHosts(r.Login.KnownHosts)
	})
}

func (r *Request) checkAll(login func() error) error {
	return errors.Join(
		r.checkHosts(),
		r.checkTask(),
		r.checkLimits(),
		r.checkRolling(),
		login(),
		r.checkRecord(),
	)
}

func (r *Request) checkHosts() error {
	h := &r.Hosts
	for _, x := range []struct {
		name string
		n    int
	}{{"limit", h.Limit}, {"pick", h.Pick}} {
		if r.Given(x.name) && x.n < 1 {
			return fault.Syntaxf("%s %d: must be 1 or more", fault.Key(x.name), x.n)
		}
	}
	switch {
	case h.Limit > 0 && h.Pick > 0:
		return excludeEachOther("limit", "pick")
	case h.Named != "" && len(h.Inventory) > 0:
		return fault.Syntaxf("%s and %s cannot be combined: %[1]s uses no inventory", fault.Key("hosts"), fault.Key("inventory"))
	case r.Given("hosts") && h.Named == "":
		return fault.Syntaxf("%s: missing host", fault.Key("hosts"))
	}
	return nil
}

func (r *Request) checkTask() error {
	t := &r.Task
	for _, name := range []string{"dir", "stdin", "sudo", "sudo-pass-command"} {
		if r.Given(name) && r.Get(name)[0] == "" {
			return fault.Syntaxf("%s: empty value", fault.Key(name))
		}
	}
	switch {
	case t.AskSudoPass && t.SudoPassCommand != "":
		return excludeEachOther("ask-sudo-pass", "sudo-pass-command")
	case (t.AskSudoPass || r.Given("sudo-pass-command")) && t.Sudo == "":
		return fault.Hintf(fault.Syntaxf("a sudo password needs %s", fault.Key("sudo")), "add %s, or %[1]s=USER", fault.Key("sudo"))
	case t.PTY && t.Stdin != "":
		return fault.Syntaxf("%s and %s cannot be combined: a terminal changes its input, and has no end of file", fault.Key("pty"), fault.Key("stdin"))
	}
	return nil
}

func (r *Request) checkLimits() error {
	switch l := &r.Limits; {
	case r.Given("fanout") && l.Fanout < 1:
		return fault.Syntaxf("%s %d: must be 1 or more", fault.Key("fanout"), l.Fanout)
	case l.Retries < 0:
		return fault.Syntaxf("%s %d: must be 0 or more", fault.Key("retries"), l.Retries)
	}
	return nil
}

func (r *Request) checkRolling() error {
	for _, s := range r.Rolling.Batch {
		if s.Value == 0 {
			return fault.Syntaxf("%s %s: a batch needs at least one host", fault.Key("batch"), s)
		}
	}
	if n := len(r.Rolling.MaxFail); n > 1 {
		return fault.Syntaxf("%s: want one number, got %d", fault.Key("max-fail"), n)
	}
	if r.Given("pause") && len(r.Rolling.Batch) == 0 {
		return fault.Hintf(fault.Syntaxf("%s needs more than one batch", fault.Key("pause")), "use %s", fault.Key("batch"))
	}
	return nil
}

func (r *Request) checkLogin() error {
	l := &r.Login
	if r.Given("port") && (l.Port < 1 || l.Port > 65535) {
		return fault.Syntaxf("%s %d: want 1 to 65535", fault.Key("port"), l.Port)
	}
	if r.Given("user") {
		if err := inventory.CheckUser(l.User); err != nil {
			return fault.Syntaxf("%s: %w", fault.Key("user"), err)
		}
	}
	if r.Given("persist-max") && l.PersistMax < 1 {
		return fault.Syntaxf("%s %d: want at least 1", fault.Key("persist-max"), l.PersistMax)
	}
	if r.Given("jump") {
		if _, err := inventory.ParseJump(l.Jump); err != nil {
			return fault.Syntaxf("%s: %w", fault.Key("jump"), err)
		}
	}
	return nil
}

func (r *Request) checkRecord() error {
	switch c := &r.Record; {
	case c.Off && (r.Given("note") || r.Given("record-limit")):
		return fault.Syntaxf("%s records nothing: remove %s and %s", fault.Key("no-history"), fault.Key("note"), fault.Key("record-limit"))
	case c.Off && r.Given("run-id-file"):
		return fault.Syntaxf("%s gives the run no number: remove %s", fault.Key("no-history"), fault.Key("run-id-file"))
	case r.Given("run-id-file") && c.RunIDFile == "":
		return fault.Syntaxf("%s: missing file", fault.Key("run-id-file"))
	}
	return nil
}

// excludeEachOther is the error of two keys that were both set.
func excludeEachOther(a, b fault.Key) error {
	return fault.Syntaxf("%s and %s cannot be combined", a, b)
}
