package server

import (
	"slices"

	"tutti/access"
	"tutti/api"
	"tutti/server/operation"
	"tutti/store"
)

// receiver is who is sent the end of a run; nil: none is. The URL may lead where those of
// editors may, for every role.
func (a submitOps) receiver(p *access.Principal, to *api.Receivers) (*store.Callback, error) {
	c := &store.Callback{URL: to.Callback, By: p.Subject()}
	place := "/callback"
	if to.Notify != nil {
		if to.Callback != "" {
			return nil, operation.Invalid.Fail("").With(api.At("/notify", "cannot be combined with callback"))
		}
		c.URL, c.On, place = to.Notify.Webhook, "failure", "/notify/webhook"
		if slices.Contains(to.Notify.On, "always") {
			c.On = "always"
		}
	}
	switch {
	case c.URL == "":
		return nil, nil
	case a.CheckCallback == nil:
		return nil, operation.Invalid.Fail("").With(api.At(place, "is not offered here"))
	}
	if err := a.CheckCallback(c.URL); err != nil {
		return nil, operation.Invalid.Fail("").With(api.At(place, err.Error()))
	}
	return c, nil
}
