// Evaluate requests with @cloud-copilot/iam-simulate: a JSON list of simulations on stdin, their results on stdout.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const { runSimulation } = createRequire(`${process.argv[2]}/`)('@cloud-copilot/iam-simulate')
const results = []
for (const simulation of JSON.parse(readFileSync(0, 'utf8'))) {
  const found = await runSimulation(simulation, { simulationMode: 'Strict' }).catch((error) => ({ errors: error.message }))
  results.push({
    decision: found.overallResult ?? null,
    problem: found.errors ?? null,
    ignored: found.result?.ignoredContextKeys ?? [],
  })
}
process.stdout.write(JSON.stringify(results))
