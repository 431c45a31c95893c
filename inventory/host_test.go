package inventory

import (
	"testing"

	"tutti/internal/hostkeys"
	"tutti/inventory/layer"
)

func TestZeroValues(t *testing.T) {
	var h Host
	if _, ok := h.Origin(layer.KeyUser); ok || len(h.Settings()) != 0 || h.HostKeys != hostkeys.Strict {
		t.Error("the zero Host must have no settings, and strict host keys")
	}
	var inv Inventory
	if _, ok := inv.Host("a"); ok || len(inv.Hosts())+len(inv.Groups())+len(inv.Labels()) != 0 {
		t.Error("the zero Inventory must be empty")
	}
}
