package instance

import (
	"errors"
	"net"

	"golang.org/x/net/netutil"

	"github.com/wick-run/wick/instance/runtimeapi"
)

// inside is what an instance serves into its sandbox: the Runtime API, X-Ray's daemon,
// Wick's own API and DNS, at addresses only that sandbox can reach.
type inside struct {
	addresses reachable
	closers   []func() error
}

// maxAPIConns is how many connections to Wick's own API an instance has at a time; more
// wait to be accepted. Each is a descriptor of the server's.
const maxAPIConns = 64

// serveInside opens the sockets in i's sandbox and serves them.
func (i *Instance) serveInside() error {
	api, xray := runtimeAPIAddress, xrayAddress
	if i.plan.Match.Runtime == runtimeAL2 {
		api, xray = runtimeAPIAddressAL2, xrayAddressAL2
	}
	i.inside.addresses.xray = xray
	ln, err := i.box.Listen("tcp", api)
	if err != nil {
		return err
	}
	i.inside.addresses.runtimeAPI = ln.Addr().String()
	i.serve(ln, func() { runtimeapi.Serve(ln, runtimeCalls{i}, &i.conns) })

	if tr := i.host.Traces; tr != nil {
		pc, err := i.box.ListenPacket("udp", xray)
		if err != nil {
			return err
		}
		i.inside.addresses.xray = pc.LocalAddr().String()
		i.serve(pc, func() { i.receiveSegments(pc, tr) })
	}
	if h := i.host.ServeAPI; h != nil && i.host.InjectEndpoint {
		ln, err := i.box.Listen("tcp", wickAPIAddress)
		if err != nil {
			return err
		}
		ln = netutil.LimitListener(ln, maxAPIConns)
		i.inside.addresses.wickAPI = ln.Addr().String()
		i.serve(ln, func() { h(ln) })
	}
	if r := i.host.Resolver; r != nil {
		pc, err := i.box.ListenPacket("udp", dnsAddress)
		if err != nil {
			return err
		}
		i.inside.closers = append(i.inside.closers, pc.Close)
		ln, err := i.box.Listen("tcp", dnsAddress)
		if err != nil {
			return err
		}
		i.inside.closers = append(i.inside.closers, ln.Close)
		r.ServePacket(pc)
		r.ServeListener(ln)
	}
	return nil
}

// serve runs a server of a socket until the socket is closed.
func (i *Instance) serve(socket interface{ Close() error }, run func()) {
	i.inside.closers = append(i.inside.closers, socket.Close)
	i.wg.Add(1)
	go func() {
		defer i.wg.Done()
		run()
	}()
}

// closeInside ends the servers; their goroutines are in i.wg.
func (i *Instance) closeInside() error {
	var errs []error
	for _, c := range i.inside.closers {
		if err := c(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
