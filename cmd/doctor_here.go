package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tutti/api"
	"tutti/cmd/internal/cli"
	"tutti/internal/hostkeys"
	"tutti/inventory"
	"tutti/runner"
	"tutti/ssh"
)

// neighbourLimit is where Linux says how many neighbours it remembers.
const neighbourLimit = "/proc/sys/net/ipv4/neigh/default/gc_thresh3"

// checkHere checks this machine. It returns the plan with the hosts to log in to:
// those of the selector, or all; nil if there are none.
func (d *doctor) checkHere(ctx context.Context, selector string) (*runner.Decision, error) {
	d.checkClock()
	plan, err := d.checkInventory(ctx, selector)
	if err != nil {
		return nil, err
	}
	d.checkOpenFiles(plan)
	d.checkNeighbours(plan)
	d.checkKeys(ctx, plan)
	checkConnections(ctx, d, plan)
	d.checkHistory(ctx)
	return plan, nil
}

// fail reports err, with its own remedy if it has one. After it no host is contacted.
func (d *doctor) fail(name string, err error, remedy string) {
	d.broken = true
	d.report(api.FindingProblem, name, cli.Wording.Text(err), cmp.Or(strings.Join(cli.Hints(err), "; "), remedy))
}

// checkInventory reads the inventory and ssh_config. Only a mistake in the
// selector is an error.
func (d *doctor) checkInventory(ctx context.Context, selector string) (*runner.Decision, error) {
	plan := &runner.Decision{}
	inv, from, err := d.Env.LoadInventory(ctx, &d.o.Request, nil)
	if errors.As(err, new(*inventory.NotFoundError)) && !d.wanted {
		d.report(api.FindingWarning, "inventory", cli.Wording.Text(err), strings.Join(cli.Hints(err), "; "))
		inv, err = &inventory.Inventory{}, nil
	}
	if err != nil {
		d.fail("inventory", err, "edit the file; check with tutti hosts")
		return plan, nil
	}
	hosts, err := d.chosen(ctx, inv, from, selector)
	if err != nil {
		return nil, err
	}
	for _, w := range inv.Warnings {
		d.report(api.FindingWarning, "inventory", w, "edit the file, or ignore this if you do not need what is left out")
	}
	if from != "" && len(inv.Hosts()) > 0 {
		d.ok("inventory", "%s in %s", count(len(inv.Hosts()), "host"), from)
	}
	config, err := d.Env.SSHConfig(d.o.Login.SSHConfig)
	if err != nil {
		d.fail("ssh_config", err, "edit the file, or ignore it with -F none")
		return plan, nil
	}
	before := d.counts[api.FindingWarning]
	if err := plan.Aim(d.Env, &d.o.Request, inv, config, hosts); err != nil {
		d.fail("route", err, "edit the inventory or ssh_config; tutti hosts --explain shows where a value came from")
		return plan, nil
	}
	for _, w := range plan.Warnings {
		d.report(api.FindingWarning, "ssh_config", w, "remove the line, or ignore this if you do not need it")
	}
	d.sshConfigHonoured(config, d.counts[api.FindingWarning] == before)
	plan.Warnings = nil
	plan.Plan.Policy.Fanout = plan.Fanout(d.o.Limits.Fanout)
	plan.Plan.Policy.Deadline = d.o.Limits.Deadline
	return plan, nil
}

// sshConfigHonoured says which files count, if all that matters in them does.
func (d *doctor) sshConfigHonoured(config *runner.SSHHosts, honoured bool) {
	if text := honouredText(config.Files(), honoured); text != "" && d.o.Login.SSHConfig != runner.NoSSHConfig {
		d.ok("ssh_config", "%s", text)
	}
}

// honouredText is what there is to say for files of which all that matters is
// honoured, or not.
func honouredText(files []string, honoured bool) string {
	switch {
	case len(files) == 0:
		return "no ssh_config file"
	case honoured:
		return "all settings for these hosts are supported: " + strings.Join(files, ", ")
	}
	return ""
}

// chosen are the hosts that the selector names, or all that can be used.
func (d *doctor) chosen(ctx context.Context, inv *inventory.Inventory, from, selector string) ([]*inventory.Host, error) {
	if d.wanted {
		s, err := runner.Select(ctx, &d.o.Request, &runner.Lookup{Runs: runner.EarlierRuns{Open: d.History.ForReading, User: d.Env.User}}, inv, from, selector)
		if err != nil {
			return nil, err
		}
		return s.Hosts, nil
	}
	hosts := inv.Hosts()
	var refused []*inventory.Host
	hosts = slices.DeleteFunc(hosts, func(h *inventory.Host) bool {
		if len(h.Unusable) > 0 {
			refused = append(refused, h)
		}
		return len(h.Unusable) > 0
	})
	if len(refused) > 0 {
		err := &inventory.UnusableError{Hosts: refused}
		d.report(api.FindingWarning, "inventory", err.Error(), strings.Join(cli.Hints(err), "; "))
	}
	return hosts, nil
}

func (d *doctor) checkOpenFiles(plan *runner.Decision) {
	have, err := runner.OpenLimit()
	if err != nil {
		d.report(api.FindingWarning, "open_files", fmt.Sprintf("cannot read the limit: %v", err), "check ulimit -n")
		return
	}
	asked := cmp.Or(d.o.Limits.Fanout, min(runner.DefaultFanout, max(1, len(plan.Endpoints))))
	need := plan.Files(asked)
	if have >= need {
		d.ok("open_files", "limit %[1]d; up to %[3]d needed for %[2]s at once", have, count(asked, "host"), need)
		return
	}
	d.report(api.FindingWarning, "open_files", fmt.Sprintf("limit %d; %s at once may need %d", have, count(asked, "host"), need),
		fmt.Sprintf("raise the limit: ulimit -n %d, or as root ulimit -Hn %d; or work on fewer hosts at once: -f %d", need, need, plan.Fits(have)))
}

// checkNeighbours compares the hosts with the kernel's table of neighbours: each
// host of the same network segment has an entry in it.
func (d *doctor) checkNeighbours(plan *runner.Decision) {
	data, err := os.ReadFile(neighbourLimit)
	if err != nil {
		return // another system, or one that does not say
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return // no number, so there is nothing to compare with
	}
	addresses := map[string]bool{}
	for _, e := range plan.Endpoints {
		if len(e.Jumps) == 0 && e.ProxyCommand == "" {
			addresses[e.Address] = true
		}
	}
	if len(addresses) < limit {
		d.ok("neighbours", "ARP/neighbor table limit %d; %s reached directly", limit, count(len(addresses), "host"))
		return
	}
	d.report(api.FindingWarning, "neighbours",
		fmt.Sprintf("ARP/neighbor table limit %[2]d, but %[1]d addresses reached directly: if they share a network segment, some will seem unreachable", len(addresses), limit),
		fmt.Sprintf("as root: sysctl -w net.ipv4.neigh.default.gc_thresh3=%d (and net.ipv6.neigh.default.gc_thresh3)", 2*len(addresses)))
}

// checkKeys looks at what there is to log in with.
func (d *doctor) checkKeys(ctx context.Context, plan *runner.Decision) {
	found := ssh.Inspect(ctx, ssh.Options{
		Endpoints:         plan.Endpoints,
		KnownHosts:        d.Env.KnownHosts(d.o.Login.KnownHosts),
		AgentSocket:       d.Env.Getenv("SSH_AUTH_SOCK"),
		DefaultIdentities: d.Env.DefaultIdentities(),
	})
	if len(found.Agents) == 0 {
		d.ok("agent", "no agent: SSH_AUTH_SOCK is not set")
	}
	usable := 0
	for _, a := range found.Agents {
		usable += len(a.Keys)
		d.showAgent(a)
	}
	for _, k := range found.Keys {
		if k.Err == nil && (!k.Locked || d.canAsk) {
			usable++
		}
		d.showKey(k)
	}
	if usable == 0 && !d.broken {
		d.report(api.FindingWarning, "key", "no private key to log in with",
			"create one with ssh-keygen, name one with --identity or identity: in the inventory, or add one to the agent with ssh-add")
	}
	d.checkSSHDirectory()
	known := 0
	for _, f := range found.KnownHosts {
		known += f.Lines
		d.showKnownHosts(f)
	}
	strict := slices.ContainsFunc(plan.Endpoints, func(e ssh.Endpoint) bool { return e.HostKeys == hostkeys.Strict })
	if known == 0 && strict {
		d.report(api.FindingWarning, "known_hosts", "no known host keys: tutti refuses hosts with strict host key checking",
			"add the keys: tutti trust SELECTOR")
	}
}

func (d *doctor) showAgent(a ssh.FoundAgent) {
	switch {
	case a.Err != nil:
		d.report(api.FindingWarning, "agent", fmt.Sprintf("%s: %v", a.Socket, a.Err),
			"start an agent (eval \"$(ssh-agent)\"; ssh-add), or unset SSH_AUTH_SOCK")
	case len(a.Keys) == 0:
		d.report(api.FindingWarning, "agent", a.Socket+" holds no key", "ssh-add")
	case len(a.Keys) > ssh.MaxOffers:
		d.report(api.FindingWarning, "agent", fmt.Sprintf("%s holds %d keys, but tutti offers a host at most %d", a.Socket, len(a.Keys), ssh.MaxOffers),
			"name the key for each host: --identity, identity: in the inventory, or IdentityFile with IdentitiesOnly in ssh_config")
	default:
		d.ok("agent", "%s holds %s", a.Socket, strings.Join(a.Keys, ", "))
	}
}

func (d *doctor) showKey(k ssh.FoundKey) {
	switch {
	case k.Err != nil && k.Required:
		d.fail("key", k.Err, "name another key with --identity or in the inventory")
	case k.Err != nil:
		d.report(api.FindingWarning, "key", k.Err.Error(), strings.Join(cli.Hints(k.Err), "; "))
	case k.Locked && !d.canAsk && k.Required:
		d.fail("key", fmt.Errorf("%s is encrypted, and there is no terminal to ask for its passphrase", k.Path), "ssh-add "+k.Path)
	case k.Locked:
		d.report(api.FindingWarning, "key", k.Path+" is encrypted and not in the agent: tutti will ask for its passphrase", "ssh-add "+k.Path)
	default:
		d.ok("key", "%s is usable", k.Path)
	}
}

// checkSSHDirectory looks at ~/.ssh, which decides whom we trust.
func (d *doctor) checkSSHDirectory() {
	if d.Env.Home == "" {
		d.report(api.FindingWarning, "ssh_folder", "HOME is not set: no default keys, and no ~/.ssh/known_hosts", "set HOME")
		return
	}
	dir := filepath.Join(d.Env.Home, ".ssh")
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.ok("ssh_folder", "%s does not exist", dir)
	case err != nil:
		d.report(api.FindingWarning, "ssh_folder", err.Error(), "chmod 700 "+dir)
	case info.Mode().Perm()&0o022 != 0:
		d.report(api.FindingWarning, "ssh_folder", fmt.Sprintf("other users can change files in %s (mode %04o)", dir, info.Mode().Perm()), "chmod 700 "+dir)
	default:
		d.ok("ssh_folder", "only you can change %s", dir)
	}
}

func (d *doctor) showKnownHosts(f ssh.FoundKnownHosts) {
	switch {
	case errors.Is(f.Err, fs.ErrNotExist):
		d.ok("known_hosts", "%s does not exist", f.Path)
		return
	case f.Err != nil:
		d.report(api.FindingWarning, "known_hosts", f.Err.Error(), "make the file readable: its keys are ignored")
		return
	}
	if info, err := os.Stat(f.Path); err == nil && info.Mode().Perm()&0o022 != 0 {
		d.report(api.FindingWarning, "known_hosts", fmt.Sprintf("other users can write %s (mode %04o) and change which host keys are trusted", f.Path, info.Mode().Perm()),
			"chmod go-w "+f.Path)
	}
	if n := len(f.Bad); n > 0 {
		d.report(api.FindingWarning, "known_hosts", fmt.Sprintf("%s ignored as invalid; the first: %s", count(n, "line"), f.Bad[0]), "remove them from "+f.Path)
	}
	d.ok("known_hosts", "%s in %s", count(f.Lines, "line"), f.Path)
}
