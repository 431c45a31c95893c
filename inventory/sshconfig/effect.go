package sshconfig

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"tutti/internal/hostlist"
	"tutti/inventory/layer"
)

// unheeded returns the values that ssh would act on and tutti does not, and those that
// make the host unusable.
func (w *walker) unheeded() (ignored, refused []layer.Setting) {
	for k := firstIgnored; k < numKeywords; k++ {
		d, row := w.first[k], rowByKeyword[k]
		if d == nil || row.effect == effectHelper || slices.Contains(row.harmless, strings.ToLower(d.text)) || w.moot(k) {
			continue
		}
		s := layer.Setting{Key: layer.Key(row.name), Value: d.text, Origin: d.origin}
		if row.effect == effectRefused && !(k == kwCanonicalizeHostname && !w.canonicalized()) {
			refused = append(refused, s)
		} else {
			ignored = append(ignored, s)
		}
	}
	return ignored, refused
}

// moot reports whether another keyword makes k ineffective.
func (w *walker) moot(k keyword) bool {
	switch k {
	case kwLocalCommand:
		return !w.yes(kwPermitLocalCommand)
	case kwRemoteForward:
		return w.yes(kwClearAllForwardings)
	}
	return false
}

func (w *walker) yes(k keyword) bool {
	return slices.Contains([]string{"yes", "true"}, strings.ToLower(w.text(k)))
}

// canonicalized reports whether ssh would look the host up under other names, which
// might be those of its key.
func (w *walker) canonicalized() bool {
	domains, name := w.text(kwCanonicalDomains), w.hostName()
	most := 1
	if n, err := strconv.Atoi(w.text(kwCanonicalizeMaxDots)); err == nil {
		most = n
	}
	_, noAddress := netip.ParseAddr(name)
	proxied := w.first[kwProxyJump] != nil && w.text(kwProxyJump) != "none" ||
		w.first[kwProxyCommand] != nil && !strings.EqualFold(w.text(kwProxyCommand), "none")
	return domains != "" && !strings.EqualFold(domains, "none") && noAddress != nil && strings.Count(name, ".") <= most &&
		(!proxied || strings.EqualFold(w.text(kwCanonicalizeHostname), "always"))
}

// allMethods are the supported login methods, by their names in the protocol.
var allMethods = []string{"publickey", "password", "keyboard-interactive"}

// methods are the allowed methods; nil: all.
func (v *match) methods() []string {
	no := func(k keyword) bool { return slices.Contains([]string{"no", "false"}, strings.ToLower(v.text(k))) }
	left := make([]string, 0, len(allMethods))
	for i, k := range []keyword{kwPubkeyAuthentication, kwPasswordAuthentication, kwKbdInteractiveAuthentication} {
		preferred := v.first[kwPreferredAuthentications]
		if no(k) || preferred != nil && !slices.Contains(strings.Split(preferred.text, ","), allMethods[i]) {
			continue
		}
		left = append(left, allMethods[i])
	}
	if len(left) == len(allMethods) {
		return nil
	}
	return left
}

// sent are the patterns that SendEnv lines leave.
func (v *match) sent() []string {
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

// environment are the variables to send: those of the local ones that SendEnv chooses,
// then those that SetEnv sets.
func (v *match) environment(ours []string) []string {
	var list []string
	if patterns := v.sent(); len(patterns) > 0 {
		for _, entry := range ours {
			name, _, ok := strings.Cut(entry, "=")
			if ok && slices.ContainsFunc(patterns, func(p string) bool { return hostlist.Match(p, name) }) {
				list = append(list, entry)
			}
		}
	}
	if d := v.first[kwSetEnv]; d != nil {
		list = append(list, d.list...)
	}
	return list
}
