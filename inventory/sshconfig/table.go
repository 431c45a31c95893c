package sshconfig

import (
	"strings"

	"tutti/inventory/layer"
)

// A keyword is one whose value affects tutti, or should.
type keyword int

const (
	kwHostName keyword = iota
	kwPort
	kwUser
	kwIdentityFile
	kwCertificateFile
	kwIdentitiesOnly
	kwIdentityAgent
	kwHostKeyAlias
	kwUserKnownHostsFile
	kwGlobalKnownHostsFile
	kwStrictHostKeyChecking
	kwConnectTimeout
	kwServerAliveInterval
	kwServerAliveCountMax
	kwCiphers
	kwMACs
	kwKexAlgorithms
	kwHostKeyAlgorithms
	kwPubkeyAcceptedAlgorithms
	kwCASignatureAlgorithms
	kwRequiredRSASize
	kwRevokedHostKeys
	kwCheckHostIP
	kwNoHostAuthentication
	kwHashKnownHosts
	kwPubkeyAuthentication
	kwPasswordAuthentication
	kwKbdInteractiveAuthentication
	kwPreferredAuthentications
	kwSendEnv
	kwSetEnv
	kwProxyJump
	kwProxyCommand
	kwControlMaster
	kwControlPersist
	// What follows is not honoured.
	kwAddressFamily
	kwBindAddress
	kwBindInterface
	kwCanonicalizeHostname
	kwCanonicalDomains
	kwCanonicalizeMaxDots
	kwKnownHostsCommand
	kwVerifyHostKeyDNS
	kwUpdateHostKeys
	kwRefuseConnection
	kwProxyUseFdpass
	kwPKCS11Provider
	kwSecurityKeyProvider
	kwHostbasedAuthentication
	kwGSSAPIKeyExchange
	kwRequestTTY
	kwRemoteCommand
	kwSessionType
	kwLocalCommand
	kwPermitLocalCommand
	kwForwardAgent
	kwForwardX11
	kwRemoteForward
	kwClearAllForwardings
	kwTunnel
	numKeywords // how many there are
)

// firstIgnored is the first keyword that is not honoured.
const firstIgnored = kwAddressFamily

// An effect is what a value does.
type effect int

const (
	// effectHonoured values have the effect that they have in ssh.
	effectHonoured effect = iota
	// effectWarned values affect in ssh how a host is reached, how the user logs in, or
	// what runs, and are ignored by tutti; or ssh would accept what tutti refuses.
	effectWarned
	// effectRefused values decide who is trusted. The host is unusable rather than
	// trusted more easily than by ssh.
	effectRefused
	// effectHelper values only say more about another keyword's.
	effectHelper
)

// A tableRow is how a keyword is written and read, and what it does.
type tableRow struct {
	key    keyword
	name   string
	read   func(l *sourceLine, d *directive) error
	effect effect
	// setting is what it is called outside ssh_config; empty for what is not
	// honoured.
	setting layer.Key
	// harmless are the values, in lower case, for which ignoring the keyword makes no
	// difference.
	harmless []string
}

// table has every keyword that is read.
var table = []tableRow{
	{kwHostName, "HostName", readWord, effectHonoured, layer.KeyAddress, nil},
	{kwPort, "Port", readPort, effectHonoured, layer.KeyPort, nil},
	{kwUser, "User", readWord, effectHonoured, layer.KeyUser, nil},
	{kwIdentityFile, "IdentityFile", readWord, effectHonoured, layer.KeyIdentity, nil},
	{kwIdentityFile, "IdentityFile2", readWord, effectHonoured, layer.KeyIdentity, nil},
	{kwCertificateFile, "CertificateFile", readWord, effectHonoured, KeyCertificate, nil},
	{kwIdentitiesOnly, "IdentitiesOnly", readYesNo, effectHonoured, KeyIdentitiesOnly, nil},
	{kwIdentityAgent, "IdentityAgent", readWord, effectHonoured, KeyAgent, nil},
	{kwHostKeyAlias, "HostKeyAlias", readWord, effectHonoured, KeyHostKeyAlias, nil},
	{kwUserKnownHostsFile, "UserKnownHostsFile", readPaths, effectHonoured, KeyKnownHosts, nil},
	{kwGlobalKnownHostsFile, "GlobalKnownHostsFile", readPaths, effectHonoured, KeyGlobalKnownHosts, nil},
	{kwStrictHostKeyChecking, "StrictHostKeyChecking", readHostKeys, effectHonoured, layer.KeyHostKeys, nil},
	{kwConnectTimeout, "ConnectTimeout", readTime, effectHonoured, layer.KeyConnectTimeout, nil},
	{kwServerAliveInterval, "ServerAliveInterval", readTime, effectHonoured, KeyKeepaliveInterval, nil},
	{kwServerAliveCountMax, "ServerAliveCountMax", readCount, effectHonoured, KeyKeepaliveCount, nil},
	{kwCiphers, "Ciphers", readWord, effectHonoured, KeyCiphers, nil},
	{kwMACs, "MACs", readWord, effectHonoured, KeyMACs, nil},
	{kwKexAlgorithms, "KexAlgorithms", readWord, effectHonoured, KeyKexAlgorithms, nil},
	{kwHostKeyAlgorithms, "HostKeyAlgorithms", readWord, effectHonoured, KeyHostKeyAlgorithms, nil},
	{kwPubkeyAcceptedAlgorithms, "PubkeyAcceptedAlgorithms", readWord, effectHonoured, KeyPubkeyAlgorithms, nil},
	{kwPubkeyAcceptedAlgorithms, "PubkeyAcceptedKeyTypes", readWord, effectHonoured, KeyPubkeyAlgorithms, nil},
	{kwCASignatureAlgorithms, "CASignatureAlgorithms", readWord, effectHonoured, KeyCASignatureAlgorithms, nil},
	{kwRequiredRSASize, "RequiredRSASize", readCount, effectHonoured, KeyRequiredRSASize, nil},
	{kwRequiredRSASize, "RSAMinSize", readCount, effectHonoured, KeyRequiredRSASize, nil},
	{kwRevokedHostKeys, "RevokedHostKeys", readWord, effectHonoured, KeyRevokedHostKeys, nil},
	{kwCheckHostIP, "CheckHostIP", readYesNo, effectHonoured, KeyCheckHostIP, nil},
	{kwNoHostAuthentication, "NoHostAuthenticationForLocalhost", readYesNo, effectHonoured, KeyLoopbackTrusted, nil},
	{kwHashKnownHosts, "HashKnownHosts", readYesNo, effectHonoured, KeyHashKnownHosts, nil},
	{kwPubkeyAuthentication, "PubkeyAuthentication", readWord, effectHonoured, KeyPubkeyAuthentication, nil},
	{kwPubkeyAuthentication, "DSAAuthentication", readWord, effectHonoured, KeyPubkeyAuthentication, nil},
	{kwPasswordAuthentication, "PasswordAuthentication", readYesNo, effectHonoured, KeyPasswordAuthentication, nil},
	{kwKbdInteractiveAuthentication, "KbdInteractiveAuthentication", readYesNo, effectHonoured, KeyKbdInteractive, nil},
	{kwKbdInteractiveAuthentication, "ChallengeResponseAuthentication", readYesNo, effectHonoured, KeyKbdInteractive, nil},
	{kwKbdInteractiveAuthentication, "SkeyAuthentication", readYesNo, effectHonoured, KeyKbdInteractive, nil},
	{kwKbdInteractiveAuthentication, "TISAuthentication", readYesNo, effectHonoured, KeyKbdInteractive, nil},
	{kwPreferredAuthentications, "PreferredAuthentications", readWord, effectHonoured, KeyPreferredAuthentications, nil},
	{kwSendEnv, "SendEnv", readSendEnv, effectHonoured, KeySendEnv, nil},
	{kwSetEnv, "SetEnv", readSetEnv, effectHonoured, KeySetEnv, nil},
	{kwProxyJump, "ProxyJump", readJump, effectHonoured, layer.KeyJump, nil},
	{kwProxyCommand, "ProxyCommand", readCommand, effectHonoured, KeyProxyCommand, nil},
	{kwControlMaster, "ControlMaster", readControlMaster, effectHonoured, KeyControlMaster, nil},
	{kwControlPersist, "ControlPersist", readPersist, effectHonoured, KeyPersist, nil},

	{kwKnownHostsCommand, "KnownHostsCommand", readCommand, effectRefused, "", []string{"none"}},
	{kwCanonicalizeHostname, "CanonicalizeHostname", readWord, effectRefused, "", []string{"no", "false", "none"}},
	{kwRefuseConnection, "RefuseConnection", readRest, effectRefused, "", nil},

	{kwAddressFamily, "AddressFamily", readWord, effectWarned, "", []string{"any"}},
	{kwBindAddress, "BindAddress", readWord, effectWarned, "", nil},
	{kwBindInterface, "BindInterface", readWord, effectWarned, "", nil},
	{kwProxyUseFdpass, "ProxyUseFdpass", readYesNo, effectWarned, "", []string{"no"}},
	{kwPKCS11Provider, "PKCS11Provider", readWord, effectWarned, "", []string{"none"}},
	{kwSecurityKeyProvider, "SecurityKeyProvider", readRest, effectWarned, "", []string{"internal", "none"}},
	{kwHostbasedAuthentication, "HostbasedAuthentication", readRest, effectWarned, "", []string{"no", "false"}},
	{kwGSSAPIKeyExchange, "GSSAPIKeyExchange", readRest, effectWarned, "", []string{"no", "false"}},
	{kwVerifyHostKeyDNS, "VerifyHostKeyDNS", readRest, effectWarned, "", []string{"no", "false"}},
	{kwUpdateHostKeys, "UpdateHostKeys", readRest, effectWarned, "", []string{"no", "false"}},
	{kwRequestTTY, "RequestTTY", readRest, effectWarned, "", []string{"no", "false", "auto"}},
	{kwRemoteCommand, "RemoteCommand", readRest, effectWarned, "", []string{"none"}},
	{kwSessionType, "SessionType", readRest, effectWarned, "", []string{"default"}},
	{kwLocalCommand, "LocalCommand", readRest, effectWarned, "", nil},
	{kwForwardAgent, "ForwardAgent", readRest, effectWarned, "", []string{"no", "false"}},
	{kwForwardX11, "ForwardX11", readRest, effectWarned, "", []string{"no", "false"}},
	{kwRemoteForward, "RemoteForward", readRest, effectWarned, "", nil},
	{kwTunnel, "Tunnel", readRest, effectWarned, "", []string{"no", "false"}},

	{kwCanonicalDomains, "CanonicalDomains", readRest, effectHelper, "", nil},
	{kwCanonicalizeMaxDots, "CanonicalizeMaxDots", readRest, effectHelper, "", nil},
	{kwPermitLocalCommand, "PermitLocalCommand", readRest, effectHelper, "", nil},
	{kwClearAllForwardings, "ClearAllForwardings", readRest, effectHelper, "", nil},
}

// harmlessKeywords are the keywords that make no difference to a command on a host,
// whatever their value:
var harmlessKeywords = wordSet(
	// what is shown, asked, logged and kept on this machine
	`addkeystoagent batchmode connectionattempts enableescapecommandline escapechar exitonforwardfailure fingerprinthash
	forkafterauthentication loglevel logverbose numberofpasswordprompts stdinnull syslogfacility tag usekeychain
	visualhostkey warnweakcrypto xauthlocation `,
	// where ssh shares connections, and how bytes travel
	`channeltimeout compression compressionlevel controlpath ipqos keepalive
	obscurekeystroketiming rekeylimit tcpkeepalive versionaddendum `,
	// ports on this machine, and details of forwarding, which has a warning of its own
	`dynamicforward forwardx11timeout forwardx11trusted gatewayports localforward permitremoteopen streamlocalbindmask
	streamlocalbindunlink tunneldevice `,
	// details of what has a warning of its own, and of Kerberos, which Debian and Red Hat
	// switch on by default and which comes before keys only where there is a ticket
	`canonicalizefallbacklocal canonicalizepermittedcnames enablesshkeysign gssapiauthentication gssapiclientidentity
	gssapidelegatecredentials gssapikexalgorithms gssapirenewalforcesrekey gssapiserveridentity gssapitrustdns
	hostbasedacceptedalgorithms hostbasedkeytypes kbdinteractivedevices `,
	// what ssh itself no longer honours
	`afstokenpassing cipher fallbacktorsh globalknownhostsfile2 kerberosauthentication kerberostgtpassing protocol
	rhostsauthentication rhostsrsaauthentication rsaauthentication smartcarddevice useblacklistedkeys useprivilegedport
	userknownhostsfile2 useroaming usersh`,
)

func wordSet(texts ...string) map[string]bool {
	words := make(map[string]bool)
	for _, text := range texts {
		for word := range strings.FieldsSeq(text) {
			words[word] = true
		}
	}
	return words
}

// rowsByName are the rows of the table by their names in lower case, and
// rowByKeyword the first row of each key.
var rowsByName, rowByKeyword = func() (map[string]*tableRow, [numKeywords]*tableRow) {
	byName := make(map[string]*tableRow, len(table))
	var byKey [numKeywords]*tableRow
	for i := range table {
		row := &table[i]
		byName[strings.ToLower(row.name)] = row
		if byKey[row.key] == nil {
			byKey[row.key] = row
		}
	}
	return byName, byKey
}()
