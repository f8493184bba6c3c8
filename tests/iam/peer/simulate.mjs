// Evaluate requests with @cloud-copilot/iam-simulate: a JSON list of simulations on stdin, the results on stdout.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const { runSimulation } = createRequire(`${process.argv[2]}/`)('@cloud-copilot/iam-simulate')
const results = []
for (const simulation of JSON.parse(readFileSync(0, 'utf8'))) {
  const found = await runSimulation(simulation, { simulationMode: 'Strict' })
  results.push(found)
}
process.stdout.write(JSON.stringify(results))
