package inventory

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"tutti/internal/hostlist"
	"tutti/inventory/layer"
)

// unheeded returns the values that make a difference in ssh and none here, and
// those for which the host is refused.
func (w *sshWalk) unheeded() (ignored, refused []layer.Setting) {
	for k := sshFirstIgnored; k < sshKeys; k++ {
		d, row := w.first[k], sshByKey[k]
		if d == nil || row.effect == sshHelper || slices.Contains(row.harmless, strings.ToLower(d.text)) || w.moot(k) {
			continue
		}
		s := layer.Setting{Key: layer.Key(row.name), Value: d.text, Origin: d.origin}
		if row.effect == sshRefused && !(k == sshCanonicalizeHostname && !w.canonicalized()) {
			refused = append(refused, s)
		} else {
			ignored = append(ignored, s)
		}
	}
	return ignored, refused
}

// moot reports whether another keyword makes k one without an effect.
func (w *sshWalk) moot(k sshKey) bool {
	switch k {
	case sshLocalCommand:
		return !w.yes(sshPermitLocalCommand)
	case sshRemoteForward:
		return w.yes(sshClearAllForwardings)
	}
	return false
}

func (w *sshWalk) yes(k sshKey) bool {
	return slices.Contains([]string{"yes", "true"}, strings.ToLower(w.text(k)))
}

// canonicalized reports whether ssh would look for the host under other names,
// one of which could be the name that its key is known by.
func (w *sshWalk) canonicalized() bool {
	domains, name := w.text(sshCanonicalDomains), w.hostName()
	most := 1
	if n, err := strconv.Atoi(w.text(sshCanonicalizeMaxDots)); err == nil {
		most = n
	}
	_, noAddress := netip.ParseAddr(name)
	proxied := w.first[sshProxyJump] != nil && w.text(sshProxyJump) != "none" ||
		w.first[sshProxyCommand] != nil && !strings.EqualFold(w.text(sshProxyCommand), "none")
	return domains != "" && !strings.EqualFold(domains, "none") && noAddress != nil && strings.Count(name, ".") <= most &&
		(!proxied || strings.EqualFold(w.text(sshCanonicalizeHostname), "always"))
}

// The ways to log in that there are here, as the protocol calls them.
var sshMethods = []string{"publickey", "password", "keyboard-interactive"}

// methods are the ways that are left; nil: all.
func (v *sshFound) methods() []string {
	no := func(k sshKey) bool { return slices.Contains([]string{"no", "false"}, strings.ToLower(v.text(k))) }
	left := make([]string, 0, len(sshMethods))
	for i, k := range []sshKey{sshPubkeyAuthentication, sshPasswordAuthentication, sshKbdInteractiveAuthentication} {
		preferred := v.first[sshPreferredAuthentications]
		if no(k) || preferred != nil && !slices.Contains(strings.Split(preferred.text, ","), sshMethods[i]) {
			continue
		}
		left = append(left, sshMethods[i])
	}
	if len(left) == len(sshMethods) {
		return nil
	}
	return left
}

// sent are the patterns that SendEnv lines leave.
func (v *sshFound) sent() []string {
	var patterns []string
	for _, d := range v.sendEnv {
		for _, p := range d.list {
			if gone, ok := strings.CutPrefix(p, "-"); ok {
				patterns = slices.DeleteFunc(patterns, func(p string) bool { return hostlist.Match(gone, p) })
			} else {
				patterns = append(patterns, p)
			}
		}
	}
	return patterns
}

// environment are the variables to send: of ours those that SendEnv chooses, then
// those that SetEnv sets.
func (v *sshFound) environment(ours []string) []string {
	var list []string
	if patterns := v.sent(); len(patterns) > 0 {
		for _, entry := range ours {
			name, _, ok := strings.Cut(entry, "=")
			if ok && slices.ContainsFunc(patterns, func(p string) bool { return hostlist.Match(p, name) }) {
				list = append(list, entry)
			}
		}
	}
	if d := v.first[sshSetEnv]; d != nil {
		list = append(list, d.list...)
	}
	return list
}
