package inventory

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An sshKey is a keyword that means something here.
type sshKey int

const (
	sshHostName sshKey = iota
	sshPort
	sshUser
	sshIdentityFile
	sshCertificateFile
	sshIdentitiesOnly
	sshIdentityAgent
	sshHostKeyAlias
	sshUserKnownHostsFile
	sshGlobalKnownHostsFile
	sshStrictHostKeyChecking
	sshConnectTimeout
	sshServerAliveInterval
	sshServerAliveCountMax
	sshCiphers
	sshMACs
	sshKexAlgorithms
	sshHostKeyAlgorithms
	sshProxyJump
	sshProxyCommand
	// What follows matters to how a host is reached, and is not honoured.
	sshAddressFamily
	sshBindAddress
	sshBindInterface
	sshCanonicalizeHostname
	sshKnownHostsCommand
	sshRevokedHostKeys
	sshProxyUseFdpass
	sshPKCS11Provider
	sshPubkeyAuthentication
	sshRefuseConnection
	sshKeys // how many there are
)

// sshSettingKeys is what settings are called outside ssh_config; empty for what
// is not honoured.
var sshSettingKeys = [sshKeys]Key{
	sshHostName:              KeyAddress,
	sshPort:                  KeyPort,
	sshUser:                  KeyUser,
	sshIdentityFile:          KeyIdentity,
	sshCertificateFile:       KeyCertificate,
	sshIdentitiesOnly:        KeyIdentitiesOnly,
	sshIdentityAgent:         KeyAgent,
	sshHostKeyAlias:          KeyHostKeyAlias,
	sshUserKnownHostsFile:    KeyKnownHosts,
	sshGlobalKnownHostsFile:  KeyGlobalKnownHosts,
	sshStrictHostKeyChecking: KeyHostKeys,
	sshConnectTimeout:        KeyConnectTimeout,
	sshServerAliveInterval:   KeyKeepaliveInterval,
	sshServerAliveCountMax:   KeyKeepaliveCount,
	sshCiphers:               KeyCiphers,
	sshMACs:                  KeyMACs,
	sshKexAlgorithms:         KeyKexAlgorithms,
	sshHostKeyAlgorithms:     KeyHostKeyAlgorithms,
	sshProxyJump:             KeyJump,
	sshProxyCommand:          KeyProxyCommand,
}

// An sshKeyword is how a keyword is written and read.
type sshKeyword struct {
	key  sshKey
	name string
	read func(l *sshLine, d *sshDirective) error
}

// sshKeywords by their names in lower case.
var sshKeywords = map[string]sshKeyword{
	"hostname":              {sshHostName, "HostName", readSSHWord},
	"port":                  {sshPort, "Port", readSSHPort},
	"user":                  {sshUser, "User", readSSHWord},
	"identityfile":          {sshIdentityFile, "IdentityFile", readSSHWord},
	"identityfile2":         {sshIdentityFile, "IdentityFile2", readSSHWord},
	"certificatefile":       {sshCertificateFile, "CertificateFile", readSSHWord},
	"identitiesonly":        {sshIdentitiesOnly, "IdentitiesOnly", readSSHYesNo},
	"identityagent":         {sshIdentityAgent, "IdentityAgent", readSSHWord},
	"hostkeyalias":          {sshHostKeyAlias, "HostKeyAlias", readSSHWord},
	"userknownhostsfile":    {sshUserKnownHostsFile, "UserKnownHostsFile", readSSHPaths},
	"globalknownhostsfile":  {sshGlobalKnownHostsFile, "GlobalKnownHostsFile", readSSHPaths},
	"stricthostkeychecking": {sshStrictHostKeyChecking, "StrictHostKeyChecking", readSSHHostKeys},
	"connecttimeout":        {sshConnectTimeout, "ConnectTimeout", readSSHTime},
	"serveraliveinterval":   {sshServerAliveInterval, "ServerAliveInterval", readSSHTime},
	"serveralivecountmax":   {sshServerAliveCountMax, "ServerAliveCountMax", readSSHCount},
	"ciphers":               {sshCiphers, "Ciphers", readSSHWord},
	"macs":                  {sshMACs, "MACs", readSSHWord},
	"kexalgorithms":         {sshKexAlgorithms, "KexAlgorithms", readSSHWord},
	"hostkeyalgorithms":     {sshHostKeyAlgorithms, "HostKeyAlgorithms", readSSHWord},
	"proxyjump":             {sshProxyJump, "ProxyJump", readSSHJump},
	"proxycommand":          {sshProxyCommand, "ProxyCommand", readSSHCommand},
	"addressfamily":         {sshAddressFamily, "AddressFamily", readSSHWord},
	"bindaddress":           {sshBindAddress, "BindAddress", readSSHWord},
	"bindinterface":         {sshBindInterface, "BindInterface", readSSHWord},
	"canonicalizehostname":  {sshCanonicalizeHostname, "CanonicalizeHostname", readSSHWord},
	"knownhostscommand":     {sshKnownHostsCommand, "KnownHostsCommand", readSSHCommand},
	"revokedhostkeys":       {sshRevokedHostKeys, "RevokedHostKeys", readSSHWord},
	"proxyusefdpass":        {sshProxyUseFdpass, "ProxyUseFdpass", readSSHYesNo},
	"pkcs11provider":        {sshPKCS11Provider, "PKCS11Provider", readSSHWord},
	"pubkeyauthentication":  {sshPubkeyAuthentication, "PubkeyAuthentication", readSSHWord},
	"refuseconnection":      {sshRefuseConnection, "RefuseConnection", readSSHWord},
}

// sshHarmless are the values of keywords that are not honoured with which that
// makes no difference.
var sshHarmless = map[sshKey][]string{
	sshAddressFamily:        {"any"},
	sshCanonicalizeHostname: {"no", "false", "none"},
	sshKnownHostsCommand:    {"none"},
	sshRevokedHostKeys:      {"none"},
	sshProxyUseFdpass:       {"no"},
	sshPKCS11Provider:       {"none"},
	sshPubkeyAuthentication: {"yes", "true", "unbound", "host-bound"},
}

// sshForeign are the keywords that do not concern us: of terminals, forwarding,
// multiplexing, ways to log in that we do not have, and what once was.
var sshForeign = sshWords(`
addkeystoagent afstokenpassing batchmode canonicaldomains canonicalizefallbacklocal canonicalizemaxdots
canonicalizepermittedcnames casignaturealgorithms challengeresponseauthentication channeltimeout checkhostip cipher
clearallforwardings compression compressionlevel connectionattempts controlmaster controlpath controlpersist
dsaauthentication dynamicforward enableescapecommandline enablesshkeysign escapechar exitonforwardfailure
fallbacktorsh fingerprinthash forkafterauthentication forwardagent forwardx11 forwardx11timeout forwardx11trusted
gatewayports globalknownhostsfile2 gssapiauthentication gssapiclientidentity gssapidelegatecredentials
gssapikexalgorithms gssapikeyexchange gssapirenewalforcesrekey gssapiserveridentity gssapitrustdns hashknownhosts
hostbasedacceptedalgorithms hostbasedauthentication hostbasedkeytypes ipqos kbdinteractiveauthentication
kbdinteractivedevices keepalive kerberosauthentication kerberostgtpassing localcommand localforward loglevel
logverbose nohostauthenticationforlocalhost numberofpasswordprompts obscurekeystroketiming passwordauthentication
permitlocalcommand permitremoteopen preferredauthentications protocol pubkeyacceptedalgorithms
pubkeyacceptedkeytypes rekeylimit remotecommand remoteforward requesttty requiredrsasize rhostsauthentication
rhostsrsaauthentication rsaauthentication securitykeyprovider sendenv sessiontype setenv skeyauthentication
smartcarddevice stdinnull streamlocalbindmask streamlocalbindunlink syslogfacility tag tcpkeepalive
tisauthentication tunnel tunneldevice updatehostkeys useblacklistedkeys usekeychain useprivilegedport userknownhostsfile2
useroaming usersh verifyhostkeydns versionaddendum visualhostkey warnweakcrypto xauthlocation`)

func sshWords(text string) map[string]bool {
	words := make(map[string]bool)
	for word := range strings.FieldsSeq(text) {
		words[word] = true
	}
	return words
}

// sshKeywordNames is what a misspelt keyword may have been meant to be.
var sshKeywordNames = sync.OnceValue(func() []string {
	names := []string{"host", "match", "include", "ignoreunknown"}
	names = slices.AppendSeq(names, maps.Keys(sshKeywords))
	return slices.Sorted(slices.Values(slices.AppendSeq(names, maps.Keys(sshForeign))))
})

var (
	errSSHNoValue = errors.New("the value is missing")
	errSSHExtra   = errors.New("one value is enough; one with spaces needs quotes")
)

// readSSHWord reads a single word.
func readSSHWord(l *sshLine, d *sshDirective) error {
	switch {
	case len(l.args) == 0 || l.args[0] == "":
		return errSSHNoValue
	case len(l.args) > 1:
		return errSSHExtra
	}
	d.text = l.args[0]
	return nil
}

// readSSHPort reads the number of a port, or the name of a service.
func readSSHPort(l *sshLine, d *sshDirective) error {
	if err := readSSHWord(l, d); err != nil {
		return err
	}
	n, err := strconv.Atoi(d.text)
	if err != nil {
		n, _ = net.LookupPort("tcp", d.text) // 0 after an error
	}
	if n < 1 || n > math.MaxUint16 {
		return fmt.Errorf("%q is not a port between 1 and 65535", d.text)
	}
	d.number, d.text = n, strconv.Itoa(n)
	return nil
}

// readSSHYesNo reads a switch.
func readSSHYesNo(l *sshLine, d *sshDirective) error {
	if err := readSSHWord(l, d); err != nil {
		return err
	}
	switch strings.ToLower(d.text) {
	case "yes", "true":
		d.number, d.text = 1, "yes"
	case "no", "false":
		d.number, d.text = 0, "no"
	default:
		return fmt.Errorf("%q is neither yes nor no", d.text)
	}
	return nil
}

// sshHostKeyModes are the words of StrictHostKeyChecking. To ask is to refuse
// here: there are many hosts and nobody to look at one.
var sshHostKeyModes = map[string]HostKeys{
	"yes": Strict, "true": Strict, "ask": Strict, "accept-new": AcceptNew, "no": Off, "false": Off, "off": Off,
}

func readSSHHostKeys(l *sshLine, d *sshDirective) error {
	if err := readSSHWord(l, d); err != nil {
		return err
	}
	mode, ok := sshHostKeyModes[strings.ToLower(d.text)]
	if !ok {
		return fmt.Errorf("%q is not one of yes, ask, accept-new, no", d.text)
	}
	d.number = int(mode)
	return nil
}

// sshUnset is the number of a time that is none: a later line may still set it.
const sshUnset = -1

// readSSHTime reads seconds, or a time such as 1h30m.
func readSSHTime(l *sshLine, d *sshDirective) error {
	if err := readSSHWord(l, d); err != nil {
		return err
	}
	if d.text == "none" {
		d.number = sshUnset
		return nil
	}
	n, ok := parseSSHTime(d.text)
	if !ok {
		return fmt.Errorf("%q is not a time such as 30, 5m or 1h30m", d.text)
	}
	d.number = n
	return nil
}

var sshTimeUnits = map[byte]int{'s': 1, 'm': 60, 'h': 3600, 'd': 24 * 3600, 'w': 7 * 24 * 3600}

// parseSSHTime returns seconds.
func parseSSHTime(text string) (int, bool) {
	total := 0
	for text != "" {
		digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
		n, err := strconv.ParseInt(text[:digits], 10, 32)
		if err != nil {
			return 0, false
		}
		text = text[digits:]
		unit := 1
		if text != "" {
			if unit = sshTimeUnits[text[0]|0x20]; unit == 0 {
				return 0, false
			}
			text = text[1:]
		}
		if total += int(n) * unit; total > math.MaxInt32 {
			return 0, false
		}
	}
	return total, true
}

// seconds is a time as d has it.
func (d *sshDirective) seconds() time.Duration { return time.Duration(d.number) * time.Second }

func readSSHCount(l *sshLine, d *sshDirective) error {
	if err := readSSHWord(l, d); err != nil {
		return err
	}
	n, err := strconv.ParseInt(d.text, 10, 32)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a number from 0", d.text)
	}
	d.number, d.text = int(n), strconv.FormatInt(n, 10)
	return nil
}

// readSSHPaths reads several paths, or the word none alone.
func readSSHPaths(l *sshLine, d *sshDirective) error {
	if len(l.args) == 0 {
		return errSSHNoValue
	}
	for _, arg := range l.args {
		if arg == "" {
			return errors.New("an empty path")
		}
		if len(l.args) > 1 && strings.EqualFold(arg, "none") {
			return errors.New("none stands alone")
		}
	}
	d.list = l.args
	d.text = strings.Join(l.args, " ")
	return nil
}

// readSSHCommand takes the rest of the line as it is.
func readSSHCommand(l *sshLine, d *sshDirective) error {
	d.text = strings.TrimLeft(l.rest, sshSpace+"=")
	if d.text == "" {
		return errSSHNoValue
	}
	return nil
}

// readSSHJump reads hosts to go through.
func readSSHJump(l *sshLine, d *sshDirective) error {
	text, _, _ := strings.Cut(strings.TrimLeft(l.rest, sshSpace+"="), "#")
	text = strings.TrimRight(text, sshSpace)
	if text == "" {
		return errSSHNoValue
	}
	if strings.EqualFold(text, "none") {
		d.text = "none"
		return nil
	}
	hops := strings.Split(text, ",")
	for i, hop := range hops {
		word, err := parseSSHJump(hop)
		if err != nil {
			return err
		}
		hops[i] = word
	}
	d.text = strings.Join(hops, ",")
	return nil
}

// parseSSHJump checks one [user@]host[:port], or ssh://[user@]host[:port], and
// returns it in the first form.
func parseSSHJump(hop string) (string, error) {
	word, isURI := strings.CutPrefix(strings.TrimLeft(hop, sshSpace), "ssh://")
	if isURI {
		word = strings.TrimSuffix(word, "/")
	}
	bad := func(why string) (string, error) {
		return "", fmt.Errorf("%q is not [user@]host[:port]: %s", hop, why)
	}
	at := strings.LastIndexByte(word, '@')
	host, port, hasPort := word[at+1:], "", false
	if rest, ok := strings.CutPrefix(host, "["); ok {
		inner, after, closed := strings.Cut(rest, "]")
		if !closed {
			return bad("a bracket has no end")
		}
		if host = inner; after != "" {
			if port, hasPort = strings.CutPrefix(after, ":"); !hasPort {
				return bad("only a port may follow the brackets")
			}
		}
	} else {
		host, port, hasPort = strings.Cut(host, ":")
	}
	if n, err := strconv.Atoi(port); hasPort && (err != nil || n < 1 || n > math.MaxUint16) {
		if n, _ := net.LookupPort("tcp", port); n == 0 || port == "" {
			return bad("the port is none; an IPv6 address needs brackets")
		}
	}
	switch {
	case at == 0:
		return bad("the user is missing")
	case host == "":
		return bad("the host is missing")
	}
	return word, nil
}
