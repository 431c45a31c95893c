package cmd

import (
	"tutti/internal/fault"
	"tutti/runner"
	"tutti/ssh"
)

// wording is how errors are put for who types commands: keys are flags, and ways out
// are commands.
var wording = fault.Wording{
	Key: func(k fault.Key) string {
		if short := shortFlags[k]; short != "" && !longOnly[k] {
			return short + "/--" + string(k)
		}
		return "--" + string(k)
	},
	Short: func(s fault.Short) string {
		if short := shortFlags[fault.Key(s)]; short != "" {
			return short
		}
		return "--" + string(s)
	},
	Command: func(c fault.Command) string { return "tutti " + string(c) },
	Advice: map[string]string{
		runner.AdviceNoMatch:       "the inventory is %s; tutti hosts lists what is in it",
		runner.AdviceNoInventory:   "name one with -i FILE, or take hosts as they are with -w HOSTS; tutti demo needs neither",
		runner.AdviceNoUser:        "name the remote user with -l/--user",
		runner.AdviceHostsLeft:     "--yes runs the rest",
		runner.AdviceScriptGone:    "tutti script run:%d FILE runs another on its hosts",
		runner.AdviceScriptChanged: "tutti script run:%d %s runs it as it is now",

		ssh.AdviceNoKeyFile: "name a private key with --identity, or create one with ssh-keygen",
		ssh.AdviceTooLong:   "send what is large as --stdin or as a script",
	},
}

// shortFlags are the short names of the keys that errors speak of.
var shortFlags = map[fault.Key]string{
	"inventory": "-i", "hosts": "-w", "exclude": "-x", "env": "-e", "jump": "-J", "ssh-config": "-F",
}

// longOnly are those of them that are known by their long names.
var longOnly = map[fault.Key]bool{"ssh-config": true}
