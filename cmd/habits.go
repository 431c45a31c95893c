package cmd

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// A habit is what users of ssh, pdsh, clush, pssh, ansible, docker or kubectl type,
// with tutti's equivalent.
type habit struct {
	// words are what they type.
	words []string
	// needs is the flag that the command must have for the advice to be of use;
	// empty: none.
	needs  string
	advice string
}

// habitsBelow are words for the commands of those that have others below them and take
// no words themselves; commandHabits those of the program.
var habitsBelow = map[string][]habit{"job": jobHabits, "user": userHabits, "token": tokenHabits}

var commandHabits = []habit{
	{words: []string{"ssh", "exec", "execute", "sh", "shell", "bash", "cmd", "command", "adhoc", "pdsh", "clush", "pssh", "parallel"}, advice: "tutti run SELECTOR COMMAND... runs a command; for a shell on one host, use ssh"},
	{words: []string{"cp", "scp", "put", "push", "upload", "rsync", "sync", "pscp", "pdcp"}, advice: "tutti copy SELECTOR SRC... DEST copies files to every host"},
	{words: []string{"get", "pull", "download", "slurp", "rpdcp", "rcopy", "pslurp"}, advice: "tutti fetch SELECTOR SRC... DIR writes each host's files below DIR"},
	{words: []string{"logs", "log", "output", "outputs", "replay", "view", "cat", "describe"}, advice: "tutti show [RUN] shows the hosts' output"},
	{words: []string{"ls", "list", "inventory", "nodes", "group", "groups", "targets", "machines"}, advice: "tutti hosts [SELECTOR] lists hosts, groups and settings"},
	{words: []string{"status", "state", "st", "ps", "runs", "past"}, advice: "tutti history lists runs, tutti show [RUN] shows one, tutti job list lists the jobs"},
	{words: []string{"jobs", "schedule", "schedules", "cron", "crontab", "at", "timer"}, advice: "tutti job add, list, show … keep commands on a schedule"},
	{words: []string{"daemon", "server", "start", "scheduler", "service"}, advice: "tutti serve runs the jobs"},
	{words: []string{"stop", "cancel", "abort"}, advice: "tutti kill RUN stops a run, also of another terminal; tutti job kill NAME stops those of a job"},
	{words: []string{"retry", "redo", "repeat", "again", "resume"}, advice: "tutti rerun last runs the last command again on the hosts that are not ok"},
	{words: []string{"keyscan", "ssh-keyscan", "known-hosts", "known_hosts", "accept", "fingerprint"}, advice: "tutti trust SELECTOR collects host keys"},
	{words: []string{"check", "verify", "diagnose", "debug", "test", "lint"}, advice: "tutti doctor [SELECTOR] finds problems of this machine, the inventory and the hosts"},
	{words: []string{"play", "playbook", "apply", "task", "do"}, advice: "tutti script SELECTOR FILE runs a local script; tutti job apply -f FILE applies jobs"},
	{words: []string{"config", "settings", "init", "explain"}, advice: "tutti hosts --explain shows where each setting of a host comes from"},
	{words: []string{"compare", "changes", "delta"}, advice: "tutti diff RUN [RUN] compares two runs"},
	{words: []string{"facts", "gather", "info", "setup"}, advice: "tutti run -b SELECTOR 'uname -a' shows identical output once"},
	{words: []string{"prune", "clean", "cleanup", "gc"}, advice: "tutti history prune deletes old runs"},
	{words: []string{"users", "account", "accounts", "adduser", "useradd", "passwd"}, advice: "tutti user add, list, passwd … manage the users of the API and the console"},
	{words: []string{"tokens", "apikey", "api-key"}, advice: "tutti token add, list, rm manage the tokens of the API"},
	{words: []string{"auditlog", "audit-log", "who"}, advice: "tutti audit lists who changed what"},
}

// userHabits are words for the commands of user.
var userHabits = []habit{
	{words: []string{"create", "new", "invite"}, advice: "tutti user add NAME --role ROLE"},
	{words: []string{"password", "reset", "set-password", "link"}, advice: "tutti user passwd NAME sets a password; with --link the user chooses it"},
	{words: []string{"scope", "grant", "edit", "set", "update", "change", "chmod", "mod", "modify"}, advice: "tutti user role NAME ROLE --scope SELECTOR"},
	{words: []string{"lock", "block", "suspend", "deactivate"}, advice: "tutti user disable NAME"},
	{words: []string{"unlock", "unblock", "activate"}, advice: "tutti user enable NAME"},
	{words: []string{"get", "describe", "info"}, advice: "tutti user show NAME shows one user, tutti user list all"},
}

// tokenHabits are words for the commands of token.
var tokenHabits = []habit{
	{words: []string{"create", "new", "issue", "generate", "gen"}, advice: "tutti token add NAME prints the secret once"},
	{words: []string{"revoke", "disable", "expire"}, advice: "tutti token rm NAME"},
	{words: []string{"show", "get", "describe", "info"}, advice: "tutti token list shows all tokens; a secret is shown once, by tutti token add"},
	{words: []string{"rotate", "renew", "edit", "update", "change"}, advice: "tutti token add makes another one; tutti token rm NAME removes the old one"},
}

// jobHabits are words for the commands of job.
var jobHabits = []habit{
	{words: []string{"create", "new", "set", "install"}, advice: "tutti job add NAME --schedule EXPR SELECTOR COMMAND..."},
	{words: []string{"update", "change", "modify", "alter"}, advice: "tutti job edit NAME"},
	{words: []string{"get", "describe", "status", "info", "inspect", "cat"}, advice: "tutti job show NAME shows one job, tutti job list all"},
	{words: []string{"disable", "suspend", "hold", "off"}, advice: "tutti job pause NAME"},
	{words: []string{"enable", "unpause", "continue", "on"}, advice: "tutti job resume NAME"},
	{words: []string{"start", "trigger", "exec", "fire", "now"}, advice: "tutti job run NAME"},
	{words: []string{"stop", "cancel", "abort"}, advice: "tutti job kill NAME stops running commands, tutti job pause NAME stops further firings"},
	{words: []string{"logs", "history", "runs"}, advice: "tutti job log NAME"},
	{words: []string{"import", "load", "sync"}, advice: "tutti job apply -f FILE"},
	{words: []string{"dump", "save", "backup"}, advice: "tutti job export"},
	{words: []string{"when", "schedule", "upcoming"}, advice: "tutti job next NAME"},
	{words: []string{"prune", "purge"}, advice: "tutti job apply --prune -f FILE removes the jobs that are not in FILE"},
}

// flagHabits are flags, long ones without their dashes and short ones with one.
var flagHabits = []habit{
	{words: []string{"forks", "fork", "parallel", "concurrency", "threads", "workers", "par", "max-parallel", "jobs", "-j", "-P"}, needs: "fanout", advice: "-f/--fanout N works on N hosts at once"},
	{words: []string{"become", "use-sudo", "root", "as-root", "-S"}, needs: "sudo", advice: "--sudo runs the command as root, --sudo=USER as USER"},
	{words: []string{"become-user", "sudo-user", "runas", "run-as"}, needs: "sudo", advice: "--sudo=USER runs the command as USER"},
	{words: []string{"ask-become-pass", "become-password-file", "sudo-pass", "sudo-password", "-K"}, needs: "ask-sudo-pass", advice: "--ask-sudo-pass asks for sudo's password"},
	{words: []string{"password", "pass", "askpass", "-k", "-A"}, needs: "ask-pass", advice: "--ask-pass asks for a login password; keys of an agent are used automatically"},
	{words: []string{"remote-user", "login", "ssh-user", "username", "-u"}, needs: "user", advice: "-l/--user USER logs in as USER; --sudo=USER runs the command as USER"},
	{words: []string{"private-key", "key-file", "key", "ssh-key", "identity-file", "keyfile"}, needs: "identity", advice: "--identity FILE logs in with that key"},
	{words: []string{"hostfile", "hosts-file", "host-file", "hostlist", "nodes", "nodelist", "targets", "host", "-H"}, needs: "hosts", advice: "-w HOSTS runs on hosts without an inventory; @FILE in a SELECTOR selects the names in a file; -i FILE names an inventory"},
	{words: []string{"group", "all", "tag", "tags", "label", "selector", "filter", "limit-hosts", "-g", "-a"}, needs: "only", advice: "SELECTOR names them: tutti run web uptime, all for every host, name=value for a label"},
	{words: []string{"check", "dryrun", "noop", "simulate", "list-hosts", "-C"}, needs: "dry-run", advice: "--dry-run shows what would be done"},
	{words: []string{"serial", "rolling"}, needs: "batch", advice: "--batch 1,10%,100% runs in batches"},
	{words: []string{"max-fail-percentage", "max-failures", "fail-fast", "any-errors-fatal", "abort-on-error"}, needs: "max-fail", advice: "--max-fail N or P% starts no more hosts after more failures than that"},
	{words: []string{"command-timeout", "time-limit", "kill-timeout"}, needs: "timeout", advice: "-t/--timeout DURATION limits the command, as in -t 30s"},
	{words: []string{"connection-timeout", "conn-timeout", "ssh-timeout", "-T"}, needs: "connect-timeout", advice: "--connect-timeout DURATION limits the login, as in 10s"},
	{words: []string{"retry", "max-retries", "attempts"}, needs: "retries", advice: "--retries N retries unreachable hosts; --retry-on sets which outcomes are retried"},
	{words: []string{"insecure", "no-host-key-check", "no-host-key-checking", "strict-host-key-checking", "skip-host-key-check", "host-key-checking"}, needs: "host-keys", advice: "--host-keys accept-new adds unknown keys; tutti trust SELECTOR collects them"},
	{words: []string{"ssh-option", "ssh-options", "ssh-args", "ssh-common-args", "ssh-extra-args", "option", "options", "-O"}, needs: "ssh-config", advice: "put ssh's options into ssh_config; -F FILE names one"},
	{words: []string{"bastion", "proxy", "proxy-jump", "proxyjump", "jump-host", "gateway"}, needs: "jump", advice: "-J/--jump HOST connects through HOST"},
	{words: []string{"it", "tty", "interactive", "term", "-I"}, needs: "pty", advice: "--pty gives the command a terminal"},
	{words: []string{"workdir", "cwd", "chdir", "working-dir", "directory"}, needs: "dir", advice: "--dir DIR runs the command in DIR"},
	{words: []string{"extra-vars", "environment", "env-var", "var", "setenv"}, needs: "env", advice: "-e K=V sets a variable"},
	{words: []string{"input", "in", "stdin-file"}, needs: "stdin", advice: "--stdin FILE sends a file to every host's standard input; --stdin - sends standard input"},
	{words: []string{"dshbak", "group-output", "gather", "dedup", "collapse", "-B", "-c"}, needs: "output", advice: "-b/-o fold shows identical output once"},
	{words: []string{"format", "output-format", "one-line", "inline", "tree"}, needs: "output", advice: "-o/--output MODE: stream, fold, host, table, json, none"},
	{words: []string{"output-dir", "out-dir", "log-dir", "save", "errdir"}, needs: "outdir", advice: "--outdir DIR writes each host's output to files"},
	{words: []string{"no-label", "no-labels", "no-hostname", "nolabel", "-N"}, needs: "no-prefix", advice: "--no-prefix prints output without host names"},
	{words: []string{"no-color", "no-colour", "nocolor", "monochrome"}, needs: "color", advice: "use --color never, or set $NO_COLOR"},
	{words: []string{"force", "assume-yes", "no-confirm", "non-interactive", "-y"}, needs: "yes", advice: "--yes answers the questions"},
	{words: []string{"comment", "description", "message", "-m"}, needs: "note", advice: "--note TEXT is recorded with the run; give a command as words: tutti run web uptime"},
	{words: []string{"module-name", "module", "args", "module-args"}, needs: "only", advice: "modules are not supported: tutti run SELECTOR COMMAND..., or tutti script SELECTOR FILE"},
	{words: []string{"cron", "at", "when", "every", "interval"}, needs: "schedule", advice: "--schedule '30 2 * * *', '@every 90s' or '@at TIME'"},
	{words: []string{"timezone", "tz", "time-zone"}, needs: "zone", advice: "--zone Europe/Berlin"},
	{words: []string{"forward-agent", "local-forward", "remote-forward", "-L", "-R", "-D", "-X", "-W"}, needs: "jump", advice: "forwarding is not supported; use ssh"},
}

// adviceFor is the advice of habits about word for cmd; may be empty.
func adviceFor(habits []habit, cmd *cobra.Command, word string) string {
	for _, h := range habits {
		if h.needs != "" && cmd.Flags().Lookup(h.needs) == nil {
			continue
		}
		for _, w := range h.words {
			if w == word {
				return h.advice
			}
		}
	}
	return ""
}

// The flags library's messages about an unknown flag.
var (
	unknownLong  = regexp.MustCompile(`^unknown flag: --([^= ]+)`)
	unknownShort = regexp.MustCompile(`^unknown shorthand flag: '(.)' in -`)
)

// adviceForFlag is the advice about a flag that cmd does not have, from the flags
// library's message; may be empty.
func adviceForFlag(cmd *cobra.Command, message string) string {
	if m := unknownLong.FindStringSubmatch(message); m != nil {
		return adviceFor(flagHabits, cmd, m[1])
	}
	if m := unknownShort.FindStringSubmatch(message); m != nil {
		return adviceFor(flagHabits, cmd, "-"+m[1])
	}
	return adviceForValue(cmd, message)
}

// Values of another program's flag whose tutti flag takes something else.
var (
	sshOption  = regexp.MustCompile(`^invalid argument "([A-Za-z]+)[= ].*" for "-o, --output"`)
	limitHosts = regexp.MustCompile(`^invalid argument "([^"]*)" for "--limit"`)
)

// adviceForValue is advice about a flag that tutti has with another meaning: ssh's -o,
// ansible's --limit.
func adviceForValue(cmd *cobra.Command, message string) string {
	if m := sshOption.FindStringSubmatch(message); m != nil && cmd.Flags().Lookup("ssh-config") != nil {
		if strings.EqualFold(m[1], "StrictHostKeyChecking") {
			return "-o sets the output format; for StrictHostKeyChecking use --host-keys strict|accept-new|off"
		}
		return "-o sets the output format; put ssh's options into ssh_config, or name one with -F FILE"
	}
	if m := limitHosts.FindStringSubmatch(message); m != nil && cmd.Flags().Lookup("only") != nil {
		return "--limit keeps the first N hosts; --only " + shellWord(m[1]) + " keeps those"
	}
	return ""
}
