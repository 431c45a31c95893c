package runner

import (
	"maps"
	"slices"

	"tutti/internal/fault"
)

// Repeated are the settings of the request that a rerun repeats, by the names of the
// keys. Paths are made absolute. The keys that narrow the hosts are not included,
// because the hosts are recorded. No key holds a secret.
func (r *Request) Repeated() map[string][]string {
	given := make(map[string][]string)
	for i := range keys {
		if k := &keys[i]; k.IsFor(ForRerun) && r.Given(k.Name) {
			given[k.Name] = r.texts(k)
		}
	}
	return given
}

// texts are the values of a key, with the paths of files from the root.
func (r *Request) texts(k *Key) []string {
	texts := r.Get(k.Name)
	if k.File && k.Name != "ssh-config" { // which makes its own absolute
		for i, path := range texts {
			texts[i] = Absolute(path)
		}
	}
	return texts
}

// Repeat sets what the run of that number was given. A key that is already set stays;
// variables are added.
func (r *Request) Repeat(run int64, given map[string][]string) error {
	now := maps.Clone(r.given)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		texts := given[name]
		switch {
		case name == "env":
			texts = slices.Concat(texts, r.Task.Env) // the later one counts
			r.Task.Env = nil
		case now[name] || now[exclusiveWith[name]]:
			continue
		case name == "hosts" && now["inventory"]:
			continue // which has the hosts
		}
		for _, text := range texts {
			if name == "stdin" && text == "-" {
				return fault.Hintf(fault.Usagef("run %d read standard input, which cannot be read again", run),
					"send a file with %s FILE, or the current standard input with %[1]s -", fault.Key("stdin"))
			}
			if err := r.Set(name, text); err != nil {
				return fault.Usagef("run %d had %s=%s: %w", run, fault.Key(name), text, err)
			}
		}
	}
	return nil
}

// exclusiveWith are keys that exclude each other: one that is set now takes the
// place of the other.
var exclusiveWith = map[string]string{
	"ask-sudo-pass":     "sudo-pass-command",
	"sudo-pass-command": "ask-sudo-pass",
	"pty":               "stdin",
	"stdin":             "pty",
}
