package main

import (
	"net/http"
	"sync"
)

// refreshing has the server look for interpreters once at a time.
var refreshing sync.Mutex

// getRuntimes answers what runs each runtime.
func (s *server) getRuntimes(w http.ResponseWriter, _ *http.Request) {
	s.writeJSON(w, listRuntimes(s.runtimes))
}

// refreshRuntimes looks again for interpreters and SDKs, has instances that would be made
// in another way now leave, and answers as getRuntimes. Asking for it again changes
// nothing more.
func (s *server) refreshRuntimes(w http.ResponseWriter, r *http.Request) {
	refreshing.Lock()
	defer refreshing.Unlock()
	if err := s.runtimes.Refresh(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.fleet.Renew()
	s.getRuntimes(w, r)
}

// getRuntimesFolder answers where wick runtimes install, on this machine, puts things.
func (s *server) getRuntimesFolder(w http.ResponseWriter, _ *http.Request) {
	s.writeJSON(w, map[string]string{"folder": runtimesDir(s.c.DataDir)})
}
