package fetch

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// wall is what is between us and the addresses that a host's name may lead to.
type wall struct {
	// private lets through what only this machine and its network reach.
	private bool
	// literal is the one address that is let through whatever it is; the zero value for
	// none.
	literal netip.Addr
}

// reserved are never dialled by a name: nobody is there, or somebody who tells this
// machine its secrets.
var reserved = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/128", "fe80::/10", "ff00::/8",
	"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::254/128", "fd20:ce::254/128",
)

// inner are reached only from this machine or its network, or are for examples.
var inner = prefixes(
	"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"::1/128", "100::/64", "2001:db8::/32", "fc00::/7", "fec0::/10",
)

// carriers have an IPv4 address in their last 32 bits, or, 6to4, after the first 16. What
// it is counts. Of the others with one nobody serves models.
var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	compat    = netip.MustParsePrefix("::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
	tunnels   = prefixes("64:ff9b:1::/48", "2001::/32")
)

func prefixes(all ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(all))
	for i, text := range all {
		parsed[i] = netip.MustParsePrefix(text)
	}
	return parsed
}

func within(all []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// lets tells whether an address may be dialled.
func (w wall) lets(addr netip.Addr) bool {
	addr = addr.WithZone("").Unmap()
	if w.literal.IsValid() && addr == w.literal {
		return true
	}
	if addr.Is6() {
		b := addr.As16()
		switch {
		case within(tunnels, addr):
			return false
		case sixToFour.Contains(addr):
			return w.lets(netip.AddrFrom4([4]byte(b[2:6])))
		case nat64.Contains(addr), compat.Contains(addr) && addr != netip.IPv6Loopback() && !addr.IsUnspecified():
			return w.lets(netip.AddrFrom4([4]byte(b[12:16])))
		}
	}
	return addr.IsValid() && !within(reserved, addr) && (w.private || !within(inner, addr))
}

// control is called with the address that is about to be dialled, when no name can be
// pointed elsewhere any more.
func (w wall) control(_, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err == nil && w.lets(addr.Addr()) {
		return nil
	}
	return &Refusal{
		Kind: Forbidden, Detail: fmt.Sprintf("the host leads to %s, where only this machine or its network is", address),
		Next: "If that is meant, name the host with --artifact-private-host, or the address itself in --artifact-source.",
	}
}

// dialTimeout is how long a connection and its handshake may take, each.
const dialTimeout = 10 * time.Second

// transport makes connections through walls, the one of each host. Nobody else shares it,
// and it is given up with the file. A proxy would look names up itself, so there is
// none where names are checked.
func (p *Porter) transport(wallOf func(host string) wall) *http.Transport {
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			d := &net.Dialer{Timeout: dialTimeout, Resolver: p.resolver, Control: wallOf(strings.ToLower(strings.TrimSuffix(address, ":443"))).control}
			return d.DialContext(ctx, network, address)
		},
		TLSHandshakeTimeout:    dialTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // what is pinned are the bytes that arrive
		DisableKeepAlives:      true, // nothing is left when the file is here
		ForceAttemptHTTP2:      false,
	}
	if p.roots != nil {
		t.TLSClientConfig = tlsWith(p.roots)
	}
	return t
}

// named is the wall before a host that a reference names.
func (p *Porter) named(host string) wall {
	w := wall{private: slices.Contains(p.private, host)}
	bare := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		bare = h
		w.private = w.private || slices.Contains(p.private, h)
	}
	if addr, err := netip.ParseAddr(strings.Trim(bare, "[]")); err == nil {
		w.literal = addr.Unmap() // no name: a source has these very digits
	}
	return w
}

// operators is the wall before a host that the operator has named in a variable, or that
// is the object store's own. It may be anywhere but where nobody serves files.
func operators(host string) wall {
	w := wall{private: true}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		w.literal = addr.Unmap()
	}
	return w
}
