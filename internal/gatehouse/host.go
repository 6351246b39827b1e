package gatehouse

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// KnownHost tells whether a request's Host means this server: a loopback address,
// localhost, or one of the names that it is called by beside them. An address
// cannot be made to mean another machine, as a name can; so where anyAddress is true,
// which is where other machines reach this one, every address will do. It allocates
// nothing.
func KnownHost(hosts []string, anyAddress bool, hostport string) bool {
	host := hostOf(hostport)
	if host == "127.0.0.1" || strings.EqualFold(host, "localhost") {
		return true
	}
	if slices.ContainsFunc(hosts, func(k string) bool { return strings.EqualFold(k, host) }) {
		return true
	}
	if host == "" || (host[0] < '0' || host[0] > '9') && !strings.Contains(host, ":") {
		return false
	}
	address, err := netip.ParseAddr(host)
	return err == nil && (anyAddress || address.IsLoopback())
}

// ForeignHost says what is wrong with a Host that is not known, and what to do.
func ForeignHost(hostport string) string {
	return fmt.Sprintf("This server is not called %.100q. Use http://localhost or 127.0.0.1, or start serin serve with --allowed-host and the name.", hostOf(hostport))
}

// hostOf leaves out the port; what is no host and port comes back as it is.
func hostOf(hostport string) string {
	if strings.HasPrefix(hostport, "[") {
		address, port, closed := strings.Cut(hostport[1:], "]")
		if closed && (port == "" || port[0] == ':') {
			return address
		}
		return hostport
	}
	if host, port, _ := strings.Cut(hostport, ":"); !strings.Contains(port, ":") {
		return host
	}
	return hostport // an IPv6 address without brackets
}
