// Runs the comment's script against a GitHub of two functions: comment.mjs SCRIPT, comments as JSON on standard input.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire(import.meta.url)
const comments = JSON.parse(readFileSync(0, 'utf8'))
const done = []
const github = {
  paginate: async () => comments,
  rest: {
    issues: {
      listComments: null,
      createComment: async (given) => done.push({ created: given }),
      updateComment: async (given) => done.push({ updated: given }),
    },
  },
}
const context = {
  repo: { owner: 'owner', repo: 'name' },
  issue: { number: 7 },
  payload: { pull_request: { head: { sha: 'cafe' } } },
}
const AsyncFunction = (async () => {}).constructor
await new AsyncFunction('github', 'context', 'require', readFileSync(process.argv[2], 'utf8'))(github, context, require)
console.log(JSON.stringify(done))
