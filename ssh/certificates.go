package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/internal/sanitize"
)

// certificateEnd is what a certificate's file has at its end that stands next
// to its key.
const certificateEnd = "-cert.pub"

// certified puts certificates in front of keys: those in paths, whose keys may
// be the agent's, and before each key the one that stands next to its file.
func (r *keyRing) certified(keys []*key, paths []string) []*key {
	var all []*key
	for _, path := range paths {
		c, err := r.certificate(path)
		if err != nil {
			r.warn(fmt.Sprintf("certificate %s is not used: %v", path, err))
			continue
		}
		k := holder(c, append(keys[:len(keys):len(keys)], r.agent...))
		if k == nil {
			r.warn(fmt.Sprintf("certificate %s is not used: no key for it", path))
			continue
		}
		all = appendKey(all, k.with(c, path))
	}
	for _, k := range keys {
		if path := k.file + certificateEnd; k.file != "" {
			c, err := r.certificate(path)
			switch {
			case err == nil && holder(c, []*key{k}) != nil:
				all = appendKey(all, k.with(c, path))
			case err == nil:
				r.warn(fmt.Sprintf("certificate %s is not used: it belongs to another key than the one next to it", path))
			case !errors.Is(err, fs.ErrNotExist):
				r.warn(fmt.Sprintf("certificate %s is not used: %v", path, err))
			}
		}
		all = appendKey(all, k)
	}
	return all
}

// holder returns the key that c is for, else nil.
func holder(c *gossh.Certificate, keys []*key) *key {
	blob := c.Key.Marshal()
	for _, k := range keys {
		if bytes.Equal(k.public.Marshal(), blob) {
			return k
		}
	}
	return nil
}

// doubt is why a host would not take the certificate that k is, as a remark to
// its name; empty if nothing is wrong with it, or it is none.
func (k *key) doubt(user string) string {
	c, ok := k.public.(*gossh.Certificate)
	if !ok {
		return ""
	}
	now := uint64(time.Now().Unix()) //nolint:gosec // it is after 1970
	switch {
	case c.ValidBefore != gossh.CertTimeInfinity && now >= c.ValidBefore:
		return ", a certificate that expired at " + certificateTime(c.ValidBefore)
	case now < c.ValidAfter:
		return ", a certificate that is not valid before " + certificateTime(c.ValidAfter)
	case len(c.ValidPrincipals) > 0 && !slices.Contains(c.ValidPrincipals, user):
		return ", a certificate for " + sanitize.Line(strings.Join(c.ValidPrincipals, ", "), 100)
	}
	return ""
}

func certificateTime(seconds uint64) string {
	return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339) //nolint:gosec // a date within the next ages
}

// with is k as it is offered with a certificate.
func (k *key) with(c *gossh.Certificate, path string) *key {
	return &key{public: c, name: path, sign: k.sign}
}

type readCertificate struct {
	certificate *gossh.Certificate
	err         error
}

// certificate reads a user's certificate, at most once.
func (r *keyRing) certificate(path string) (*gossh.Certificate, error) {
	known, ok := r.certificates[path]
	if !ok {
		known.certificate, known.err = openCertificate(path)
		r.certificates[path] = known
	}
	return known.certificate, known.err
}

func openCertificate(path string) (*gossh.Certificate, error) {
	data, _, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	public, _, _, _, err := gossh.ParseAuthorizedKey(data)
	if err != nil {
		return nil, errors.New("not a certificate")
	}
	c, ok := public.(*gossh.Certificate)
	if !ok || c.CertType != gossh.UserCert {
		return nil, errors.New("not a user certificate")
	}
	return c, nil
}
