package inventory

import (
	"strings"

	"tutti/inventory/layer"
)

// An sshKey is a keyword whose value makes a difference here, or should.
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
	sshPubkeyAcceptedAlgorithms
	sshCASignatureAlgorithms
	sshRequiredRSASize
	sshRevokedHostKeys
	sshCheckHostIP
	sshNoHostAuthentication
	sshHashKnownHosts
	sshPubkeyAuthentication
	sshPasswordAuthentication
	sshKbdInteractiveAuthentication
	sshPreferredAuthentications
	sshSendEnv
	sshSetEnv
	sshProxyJump
	sshProxyCommand
	// What follows is not honoured.
	sshAddressFamily
	sshBindAddress
	sshBindInterface
	sshCanonicalizeHostname
	sshCanonicalDomains
	sshCanonicalizeMaxDots
	sshKnownHostsCommand
	sshVerifyHostKeyDNS
	sshUpdateHostKeys
	sshRefuseConnection
	sshProxyUseFdpass
	sshPKCS11Provider
	sshSecurityKeyProvider
	sshHostbasedAuthentication
	sshGSSAPIKeyExchange
	sshRequestTTY
	sshRemoteCommand
	sshSessionType
	sshLocalCommand
	sshPermitLocalCommand
	sshForwardAgent
	sshForwardX11
	sshRemoteForward
	sshClearAllForwardings
	sshTunnel
	sshKeys // how many there are
)

// sshFirstIgnored is the first key that is not honoured.
const sshFirstIgnored = sshAddressFamily

// An sshEffect is what becomes of a value.
type sshEffect int

const (
	// sshHonoured values have the effect that they have in ssh.
	sshHonoured sshEffect = iota
	// sshWarned values make a difference in ssh to how a host is reached, how we log
	// in, or what runs, and none here; or ssh would let in where we refuse.
	sshWarned
	// sshRefused values decide who is trusted. A host is refused rather than
	// trusted more easily than by ssh.
	sshRefused
	// sshHelper values only say more about another keyword's.
	sshHelper
)

// An sshKeyword is how a keyword is written and read, and what becomes of it.
type sshKeyword struct {
	key    sshKey
	name   string
	read   func(l *sshLine, d *sshDirective) error
	effect sshEffect
	// setting is what it is called outside ssh_config; empty for what is not
	// honoured.
	setting layer.Key
	// harmless are the values, in lower case, with which it makes no difference
	// that it is not honoured.
	harmless []string
}

// sshTable has every keyword that is read.
var sshTable = []sshKeyword{
	{sshHostName, "HostName", readSSHWord, sshHonoured, layer.KeyAddress, nil},
	{sshPort, "Port", readSSHPort, sshHonoured, layer.KeyPort, nil},
	{sshUser, "User", readSSHWord, sshHonoured, layer.KeyUser, nil},
	{sshIdentityFile, "IdentityFile", readSSHWord, sshHonoured, layer.KeyIdentity, nil},
	{sshIdentityFile, "IdentityFile2", readSSHWord, sshHonoured, layer.KeyIdentity, nil},
	{sshCertificateFile, "CertificateFile", readSSHWord, sshHonoured, KeyCertificate, nil},
	{sshIdentitiesOnly, "IdentitiesOnly", readSSHYesNo, sshHonoured, KeyIdentitiesOnly, nil},
	{sshIdentityAgent, "IdentityAgent", readSSHWord, sshHonoured, KeyAgent, nil},
	{sshHostKeyAlias, "HostKeyAlias", readSSHWord, sshHonoured, KeyHostKeyAlias, nil},
	{sshUserKnownHostsFile, "UserKnownHostsFile", readSSHPaths, sshHonoured, KeyKnownHosts, nil},
	{sshGlobalKnownHostsFile, "GlobalKnownHostsFile", readSSHPaths, sshHonoured, KeyGlobalKnownHosts, nil},
	{sshStrictHostKeyChecking, "StrictHostKeyChecking", readSSHHostKeys, sshHonoured, layer.KeyHostKeys, nil},
	{sshConnectTimeout, "ConnectTimeout", readSSHTime, sshHonoured, layer.KeyConnectTimeout, nil},
	{sshServerAliveInterval, "ServerAliveInterval", readSSHTime, sshHonoured, KeyKeepaliveInterval, nil},
	{sshServerAliveCountMax, "ServerAliveCountMax", readSSHCount, sshHonoured, KeyKeepaliveCount, nil},
	{sshCiphers, "Ciphers", readSSHWord, sshHonoured, KeyCiphers, nil},
	{sshMACs, "MACs", readSSHWord, sshHonoured, KeyMACs, nil},
	{sshKexAlgorithms, "KexAlgorithms", readSSHWord, sshHonoured, KeyKexAlgorithms, nil},
	{sshHostKeyAlgorithms, "HostKeyAlgorithms", readSSHWord, sshHonoured, KeyHostKeyAlgorithms, nil},
	{sshPubkeyAcceptedAlgorithms, "PubkeyAcceptedAlgorithms", readSSHWord, sshHonoured, KeyPubkeyAlgorithms, nil},
	{sshPubkeyAcceptedAlgorithms, "PubkeyAcceptedKeyTypes", readSSHWord, sshHonoured, KeyPubkeyAlgorithms, nil},
	{sshCASignatureAlgorithms, "CASignatureAlgorithms", readSSHWord, sshHonoured, KeyCASignatureAlgorithms, nil},
	{sshRequiredRSASize, "RequiredRSASize", readSSHCount, sshHonoured, KeyRequiredRSASize, nil},
	{sshRequiredRSASize, "RSAMinSize", readSSHCount, sshHonoured, KeyRequiredRSASize, nil},
	{sshRevokedHostKeys, "RevokedHostKeys", readSSHWord, sshHonoured, KeyRevokedHostKeys, nil},
	{sshCheckHostIP, "CheckHostIP", readSSHYesNo, sshHonoured, KeyCheckHostIP, nil},
	{sshNoHostAuthentication, "NoHostAuthenticationForLocalhost", readSSHYesNo, sshHonoured, KeyLoopbackTrusted, nil},
	{sshHashKnownHosts, "HashKnownHosts", readSSHYesNo, sshHonoured, KeyHashKnownHosts, nil},
	{sshPubkeyAuthentication, "PubkeyAuthentication", readSSHWord, sshHonoured, KeyPubkeyAuthentication, nil},
	{sshPubkeyAuthentication, "DSAAuthentication", readSSHWord, sshHonoured, KeyPubkeyAuthentication, nil},
	{sshPasswordAuthentication, "PasswordAuthentication", readSSHYesNo, sshHonoured, KeyPasswordAuthentication, nil},
	{sshKbdInteractiveAuthentication, "KbdInteractiveAuthentication", readSSHYesNo, sshHonoured, KeyKbdInteractive, nil},
	{sshKbdInteractiveAuthentication, "ChallengeResponseAuthentication", readSSHYesNo, sshHonoured, KeyKbdInteractive, nil},
	{sshKbdInteractiveAuthentication, "SkeyAuthentication", readSSHYesNo, sshHonoured, KeyKbdInteractive, nil},
	{sshKbdInteractiveAuthentication, "TISAuthentication", readSSHYesNo, sshHonoured, KeyKbdInteractive, nil},
	{sshPreferredAuthentications, "PreferredAuthentications", readSSHWord, sshHonoured, KeyPreferredAuthentications, nil},
	{sshSendEnv, "SendEnv", readSSHSendEnv, sshHonoured, KeySendEnv, nil},
	{sshSetEnv, "SetEnv", readSSHSetEnv, sshHonoured, KeySetEnv, nil},
	{sshProxyJump, "ProxyJump", readSSHJump, sshHonoured, layer.KeyJump, nil},
	{sshProxyCommand, "ProxyCommand", readSSHCommand, sshHonoured, KeyProxyCommand, nil},

	{sshKnownHostsCommand, "KnownHostsCommand", readSSHCommand, sshRefused, "", []string{"none"}},
	{sshCanonicalizeHostname, "CanonicalizeHostname", readSSHWord, sshRefused, "", []string{"no", "false", "none"}},
	{sshRefuseConnection, "RefuseConnection", readSSHRest, sshRefused, "", nil},

	{sshAddressFamily, "AddressFamily", readSSHWord, sshWarned, "", []string{"any"}},
	{sshBindAddress, "BindAddress", readSSHWord, sshWarned, "", nil},
	{sshBindInterface, "BindInterface", readSSHWord, sshWarned, "", nil},
	{sshProxyUseFdpass, "ProxyUseFdpass", readSSHYesNo, sshWarned, "", []string{"no"}},
	{sshPKCS11Provider, "PKCS11Provider", readSSHWord, sshWarned, "", []string{"none"}},
	{sshSecurityKeyProvider, "SecurityKeyProvider", readSSHRest, sshWarned, "", []string{"internal", "none"}},
	{sshHostbasedAuthentication, "HostbasedAuthentication", readSSHRest, sshWarned, "", []string{"no", "false"}},
	{sshGSSAPIKeyExchange, "GSSAPIKeyExchange", readSSHRest, sshWarned, "", []string{"no", "false"}},
	{sshVerifyHostKeyDNS, "VerifyHostKeyDNS", readSSHRest, sshWarned, "", []string{"no", "false"}},
	{sshUpdateHostKeys, "UpdateHostKeys", readSSHRest, sshWarned, "", []string{"no", "false"}},
	{sshRequestTTY, "RequestTTY", readSSHRest, sshWarned, "", []string{"no", "false", "auto"}},
	{sshRemoteCommand, "RemoteCommand", readSSHRest, sshWarned, "", []string{"none"}},
	{sshSessionType, "SessionType", readSSHRest, sshWarned, "", []string{"default"}},
	{sshLocalCommand, "LocalCommand", readSSHRest, sshWarned, "", nil},
	{sshForwardAgent, "ForwardAgent", readSSHRest, sshWarned, "", []string{"no", "false"}},
	{sshForwardX11, "ForwardX11", readSSHRest, sshWarned, "", []string{"no", "false"}},
	{sshRemoteForward, "RemoteForward", readSSHRest, sshWarned, "", nil},
	{sshTunnel, "Tunnel", readSSHRest, sshWarned, "", []string{"no", "false"}},

	{sshCanonicalDomains, "CanonicalDomains", readSSHRest, sshHelper, "", nil},
	{sshCanonicalizeMaxDots, "CanonicalizeMaxDots", readSSHRest, sshHelper, "", nil},
	{sshPermitLocalCommand, "PermitLocalCommand", readSSHRest, sshHelper, "", nil},
	{sshClearAllForwardings, "ClearAllForwardings", readSSHRest, sshHelper, "", nil},
}

// sshHarmless are the keywords that make no difference to a command on a host,
// whatever their value:
var sshHarmless = sshWords(
	// what is shown, asked, logged and kept on this machine
	`addkeystoagent batchmode connectionattempts enableescapecommandline escapechar exitonforwardfailure fingerprinthash
	forkafterauthentication loglevel logverbose numberofpasswordprompts stdinnull syslogfacility tag usekeychain
	visualhostkey warnweakcrypto xauthlocation `,
	// connections that ssh shares, and how bytes travel
	`channeltimeout compression compressionlevel controlmaster controlpath controlpersist ipqos keepalive
	obscurekeystroketiming rekeylimit tcpkeepalive versionaddendum `,
	// ports on this machine, and details of forwarding that is told of by itself
	`dynamicforward forwardx11timeout forwardx11trusted gatewayports localforward permitremoteopen streamlocalbindmask
	streamlocalbindunlink tunneldevice `,
	// details of what is told of by itself, and of Kerberos, which Debian and Red Hat
	// switch on for everybody and which comes before keys only where there is a ticket
	`canonicalizefallbacklocal canonicalizepermittedcnames enablesshkeysign gssapiauthentication gssapiclientidentity
	gssapidelegatecredentials gssapikexalgorithms gssapirenewalforcesrekey gssapiserveridentity gssapitrustdns
	hostbasedacceptedalgorithms hostbasedkeytypes kbdinteractivedevices `,
	// what ssh itself no longer honours
	`afstokenpassing cipher fallbacktorsh globalknownhostsfile2 kerberosauthentication kerberostgtpassing protocol
	rhostsauthentication rhostsrsaauthentication rsaauthentication smartcarddevice useblacklistedkeys useprivilegedport
	userknownhostsfile2 useroaming usersh`,
)

func sshWords(texts ...string) map[string]bool {
	words := make(map[string]bool)
	for _, text := range texts {
		for word := range strings.FieldsSeq(text) {
			words[word] = true
		}
	}
	return words
}

// sshKeywords are the rows of the table by their names in lower case, and
// sshByKey the first row of each key.
var sshKeywords, sshByKey = func() (map[string]*sshKeyword, [sshKeys]*sshKeyword) {
	byName := make(map[string]*sshKeyword, len(sshTable))
	var byKey [sshKeys]*sshKeyword
	for i := range sshTable {
		row := &sshTable[i]
		byName[strings.ToLower(row.name)] = row
		if byKey[row.key] == nil {
			byKey[row.key] = row
		}
	}
	return byName, byKey
}()
