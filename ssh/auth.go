package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"tutti/internal/sanitize"
)

// maxOffers is how many keys a host is offered in one login. Each that it
// turns down counts against the few failures that servers allow.
const maxOffers = 5

// An authentication is what is offered in one login: keys, then the password.
type authentication struct {
	ctx    context.Context // of the login: the library's interfaces have none to pass
	user   string
	wire   *wire
	offers []*offer

	pass passwordTry

	allowed []string // what the host would take, as it last said; nil: it has not
	taken   []string // what it has taken, and wants more
	stepped int      // how much it had taken when its questions were last waited for; -1: never
	asked   string   // a question of the host that only a person can answer
	all     *lastOffer
	over    bool // there is nothing left to try
}

// errPasswordExpired is a host that asks for a new password instead of the current one.
var errPasswordExpired = errors.New("the password has expired: the host requires a new one")

// errRefused ends a login in which the host accepted none of the offered keys.
var errRefused = errors.New("host accepted none of the offered keys")

func newAuthentication(ctx context.Context, w *wire, user string, keys []*key, pass passwordTry) *authentication {
	a := &authentication{ctx: ctx, wire: w, user: user, pass: pass, stepped: -1}
	for _, k := range keys[:min(len(keys), maxOffers)] {
		a.offers = append(a.offers, &offer{ctx: ctx, key: k})
	}
	return a
}

// next is asked by the library for what to try next. The first time that is
// all keys; it comes back when one of them could not sign, or when the host
// wants more than one. With neither a method nor an error the library gives up,
// and says why if the last method was broken off.
func (a *authentication) next(c *gossh.ClientAuthContext) (gossh.AuthMethod, error) {
	if a.wire.failed.Load() || a.ctx.Err() != nil {
		return nil, nil
	}
	wasTaken := len(a.taken)
	a.allowed, a.taken = c.AllowedMethods, c.PartialSuccessMethods
	if a.allowed == nil || a.brokenOff(wasTaken) {
		return nil, nil
	}
	a.all = nil
	if left := a.left(); len(left) > 0 && slices.Contains(a.allowed, byKey) {
		a.all = &lastOffer{offer: &offer{ctx: a.ctx, key: a.offers[0].key}}
		return gossh.PublicKeys(append(left, a.all)...), nil
	}
	if method := a.offerPassword(); method != nil {
		return method, nil
	}
	if a.ctx.Err() != nil {
		return nil, context.Cause(a.ctx)
	}
	a.over = true
	return nil, nil
}

// brokenOff reports whether the library has stopped offering keys for another
// reason than what the host, or a key, said to them: it could not read what the
// host sent. Then each further answer would be taken for one to the question
// after it.
func (a *authentication) brokenOff(wasTaken int) bool {
	return a.all != nil && !a.all.reached && len(a.taken) == wasTaken && slices.Contains(a.allowed, byKey) &&
		!slices.ContainsFunc(a.offers, func(o *offer) bool { return o.err != nil })
}

// ended is why a login has ended, as err is all that the library says. That it
// knows nothing left to try, and why the last offer is none, means that the host
// has refused us.
func (a *authentication) ended(err error) error {
	switch {
	case err == nil || !a.over:
		return err
	case a.pass.sent && !a.tookPassword() && wantsNewPassword(err):
		return errPasswordExpired
	case isUnreadable(err):
		return err
	}
	return errRefused
}

// left are the keys that have not been offered.
func (a *authentication) left() []gossh.Signer {
	var left []gossh.Signer
	for _, o := range a.offers {
		if !o.tried {
			left = append(left, o)
		}
	}
	return left
}

// explain says what was tried and what the host wants instead.
func (a *authentication) explain() string {
	var tried, broken []string
	for _, o := range a.offers {
		if o.tried {
			tried = append(tried, o.key.String()+o.key.doubt(a.user))
		}
		if o.err != nil {
			broken = append(broken, fmt.Sprintf("%s could not sign: %s", o.key.name, sanitize.Line(o.err.Error(), 200)))
		}
	}
	parts := []string{"no key was offered"}
	switch {
	case len(tried) > 0:
		parts[0] = "tried " + strings.Join(tried, ", ")
	case len(a.offers) == 0:
		parts[0] = "no key to offer"
	}
	parts = append(parts, broken...)
	parts = append(parts, a.pass.explain()...)
	if len(a.taken) > 0 {
		parts = append(parts, "the host accepted that but requires more")
	}
	if a.asked != "" {
		parts = append(parts, fmt.Sprintf("the host asks %q, which only a person can answer", a.asked))
	}
	if len(a.allowed) > 0 && !slices.Contains(a.allowed, byKey) {
		parts = append(parts, "the host accepts only "+sanitize.Line(strings.Join(a.allowed, ", "), 200))
	}
	return strings.Join(parts, "; ")
}

// An offer is a key in one login. It notes what became of it.
type offer struct {
	ctx   context.Context // of the login, see authentication
	key   *key
	tried bool
	err   error
}

var _ gossh.MultiAlgorithmSigner = (*offer)(nil)

// PublicKey is called when the key is about to be offered.
func (o *offer) PublicKey() gossh.PublicKey {
	o.tried = true
	return o.key.public
}

// Algorithms are those that may be used with the key.
func (o *offer) Algorithms() []string { return o.key.algorithms() }

// Sign signs with the best algorithm.
func (o *offer) Sign(rand io.Reader, data []byte) (*gossh.Signature, error) {
	return o.SignWithAlgorithm(rand, data, o.Algorithms()[0])
}

// SignWithAlgorithm signs for the host, which has said that it takes the key.
func (o *offer) SignWithAlgorithm(_ io.Reader, data []byte, algorithm string) (*gossh.Signature, error) {
	s, err := o.key.sign(o.ctx, data, algorithm)
	if err != nil {
		o.err = err
	}
	return s, err
}

// A lastOffer stands behind all keys that are offered. It is never sent, since
// there is no algorithm for it; that the library comes to it means that the host
// has answered to all before it.
type lastOffer struct {
	*offer
	reached bool
}

// PublicKey is called when the library comes to it.
func (o *lastOffer) PublicKey() gossh.PublicKey {
	o.reached = true
	return o.key.public
}

// Algorithms are none.
func (o *lastOffer) Algorithms() []string { return nil }
