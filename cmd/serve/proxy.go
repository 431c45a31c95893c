package serve

import (
	"net/http"
	"regexp"
	"slices"

	"tutti/access"
	"tutti/internal/fault"
	"tutti/server"
)

// headerName is what names a header.
var headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// ownHeaders are those that no proxy can name a user in: they mean something else.
var ownHeaders = []string{"Authorization", "Cookie", "Host", "Origin", "Referer", "Connection", "Forwarded", "X-Forwarded-For", "X-Real-Ip", "Idempotency-Key"}

// finalizeProxy reads which proxies name users, and where.
func (o *apiOptions) finalizeProxy() error {
	if (o.authHeader == "") != (len(o.trustedProxy) == 0) {
		return fault.Syntaxf("--auth-header and --trusted-proxy are needed together")
	}
	if o.clientCA != "" && o.tlsCert == "" {
		return fault.Hint(fault.Syntaxf("--client-ca needs TLS"), "add --tls-cert and --tls-key")
	}
	if o.authHeader == "" {
		return nil
	}
	if o.listen == "" {
		return fault.Hint(fault.Syntaxf("--auth-header is for --listen"), "add --listen ADDRESS:PORT")
	}
	name := http.CanonicalHeaderKey(o.authHeader)
	if !headerName.MatchString(o.authHeader) || slices.Contains(ownHeaders, name) {
		return fault.Syntaxf("--auth-header %q: want the name of a header of its own, such as X-Remote-User", o.authHeader)
	}
	networks, err := access.ParseNetworks(o.trustedProxy)
	if err != nil {
		return fault.Syntaxf("--trusted-proxy: %w", err)
	}
	for _, n := range networks {
		if n.Bits() == 0 {
			return fault.Syntaxf("--trusted-proxy %s: that is every address, and any client could name a user", n)
		}
	}
	o.trusted = server.TrustedProxy{Header: name, From: networks}
	return nil
}
