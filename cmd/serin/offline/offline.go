// Package offline has the commands that need no server: they read files, or
// fly in virtual time, and answer. A file has a command.
//
//	model file --> inspect, predict     what is in it, what it answers
//	table      --> train                a model file
//	latencies  --> judge, calc, power   the server's rules and tests on numbers from elsewhere
//	seed       --> simulate             thousands of canaries that never were
//	chance     --> token                a secret, and the line that knows it again
//
// What may not happen here: a connection, or a verdict of its own; each command
// puts the question of a command line to the room that knows the answer.
package offline

import (
	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/rollout"
)

// Commands returns the commands that need no server. The plan is what a deploy
// gets where it asks for nothing else, so that simulate and judge go by the rules
// that serve.
func Commands(c term.Console, plan rollout.Plan) []*cobra.Command {
	return []*cobra.Command{
		newTrain(c), newPredict(c), newInspect(c), newPower(c), newSimulate(c, plan), newJudge(c, plan), newCalc(c), newToken(c),
	}
}
