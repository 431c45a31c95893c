package sqlite

import (
	"context"

	"tutti/store"
	"tutti/store/tables"
)

// addPulses adds to healths what heartbeats know of the hosts.
func (v views) addPulses(ctx context.Context, all []store.HostHealth) error {
	byHost := make(map[string]*store.HostHealth, len(all))
	names := make([]string, len(all))
	for i := range all {
		byHost[all[i].Host], names[i] = &all[i], all[i].Host
	}
	pulses, err := tables.All(ctx, on(v.r), tables.ScanPulse, "SELECT "+tables.PulseColumns+
		" FROM heartbeats WHERE host IN (SELECT value FROM json_each(?))", jsonList(names))
	for i := range pulses {
		if h := byHost[pulses[i].Last.Host]; h != nil {
			h.Feel(&pulses[i])
		}
	}
	return err
}
