package network

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of the C library for what resolv.conf says. Source: resolv.conf(5).
const (
	maxNameservers = 3
	maxAttempts    = 5
	maxTryTimeout  = 30 * time.Second
)

// resolverConfig is what resolv.conf says about asking.
type resolverConfig struct {
	servers  []netip.AddrPort
	search   []string
	options  []string
	timeout  time.Duration // for one try
	attempts int           // rounds over all servers
}

// parseResolvConf reads the format of resolv.conf(5). What it can't understand it
// skips, as the C library does. Without a server, it is the one on this machine.
func parseResolvConf(text []byte) resolverConfig {
	c := resolverConfig{timeout: 5 * time.Second, attempts: 2}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if ip, err := netip.ParseAddr(fields[1]); err == nil && len(c.servers) < maxNameservers {
				c.servers = append(c.servers, netip.AddrPortFrom(ip, 53))
			}
		case "search", "domain":
			c.search = fields[1:] // the last one counts
		case "options":
			c.options = append(c.options, fields[1:]...)
		}
	}
	for _, o := range c.options {
		name, value, _ := strings.Cut(o, ":")
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			continue
		}
		switch name {
		case "timeout":
			c.timeout = min(time.Duration(min(n, 60))*time.Second, maxTryTimeout)
		case "attempts":
			c.attempts = min(n, maxAttempts)
		}
	}
	if len(c.servers) == 0 {
		c.servers = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}
	}
	return c
}

// SandboxResolvConf returns the text of the /etc/resolv.conf a sandbox gets: the
// Resolver at nameserver, with the host's search domains and ndots, so that a name
// means inside what it means on the host.
func SandboxResolvConf(nameserver netip.Addr) ([]byte, error) {
	text, err := os.ReadFile(hostResolvConf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the host's resolvers: %w", err)
	}
	c := parseResolvConf(text)
	var b bytes.Buffer
	fmt.Fprintf(&b, "nameserver %s\n", nameserver)
	if len(c.search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(c.search, " "))
	}
	for _, o := range c.options {
		if strings.HasPrefix(o, "ndots:") {
			fmt.Fprintf(&b, "options %s\n", o)
		}
	}
	return b.Bytes(), nil
}

const hostResolvConf = "/etc/resolv.conf"

// configCheckEvery is how often at most the file is looked at for a change.
const configCheckEvery = time.Second

// configFile is a resolv.conf, read again when it has changed.
type configFile struct {
	path string

	mu      sync.Mutex // guards below; held while reading, which all who ask wait for anyway
	checked time.Time
	seen    os.FileInfo // nil: there was none
	current *servers
}

// load returns the servers of the file as it is now. While the file can't be read,
// the last ones stay.
func (f *configFile) load() (*servers, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current != nil && time.Since(f.checked) < configCheckEvery {
		return f.current, nil
	}
	f.checked = time.Now()
	info, err := os.Stat(f.path)
	if err != nil {
		info = nil
	}
	if f.current != nil && (info == nil || sameFile(info, f.seen)) {
		return f.current, nil
	}
	text, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		if f.current != nil {
			return f.current, nil
		}
		return nil, fmt.Errorf("read the host's resolvers: %w", err)
	}
	f.seen = info
	next := newServers(parseResolvConf(text))
	if f.current == nil || !slices.Equal(next.config.servers, f.current.config.servers) ||
		next.config.timeout != f.current.config.timeout || next.config.attempts != f.current.config.attempts {
		f.current = next
	}
	return f.current, nil
}

func sameFile(a, b os.FileInfo) bool {
	return b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
