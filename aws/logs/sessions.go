package logs

import (
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// sessions counts the live tail sessions under way.
type sessions struct {
	mu sync.Mutex // guards n
	n  map[string]int
}

// enter counts a session of an owner until leave; it is refused when there are too many.
func (s *sessions) enter(owner string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n[owner] >= maxTailSessions {
		return nil, &types.LimitExceededException{Message: aws.String("Live Tail concurrent sessions limit exceeded.")}
	}
	if s.n == nil {
		s.n = map[string]int{}
	}
	s.n[owner]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.n[owner]--; s.n[owner] == 0 {
			delete(s.n, owner)
		}
	}, nil
}
