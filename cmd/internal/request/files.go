package request

import "github.com/spf13/pflag"

// AddFilesLimits adds the limits of a command that moves files.
func (x Flags) AddFilesLimits(f *pflag.FlagSet) {
	x.AddConnect(f)
	f.Lookup("retries").Usage = "retry a host up to `N` times (default: inventory, else 2)"
	x.add(f, "timeout", "t", "stop a host after `DURATION`, per attempt (default: inventory, else never)")
	x.add(f, "retry-on", "", "retry on `OUTCOMES`: unreachable, lost, timeout, failed (default unreachable,lost)").DefValue = ""
}

// AddFilesLogin is AddLogin for a command whose -p is another flag, as that of cp and scp.
func (x Flags) AddFilesLogin(f *pflag.FlagSet) { x.addLogin(f, "") }
