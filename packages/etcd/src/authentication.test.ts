import { expect, test } from 'vitest'
import { createAuthentication } from './authentication.ts'

const auth = { username: 'u', password: 'p' }

function subject() {
  let tokens = 0
  const authentication = createAuthentication(auth, async (username, password) => {
    tokens += 1
    if (tokens === 2) throw new Error('refused')
    return `${username}${password}${tokens}`
  })
  return { authentication, tokens: () => tokens }
}

test('one token serves all calls', async () => {
  const { authentication, tokens } = subject()
  expect(await Promise.all([authentication.token(), authentication.token()])).toEqual(['up1', 'up1'])
  expect(tokens()).toBe(1)
})

test('calls that found the same token stale renew it once; a failure is nobody’s token', async () => {
  const { authentication, tokens } = subject()
  const stale = await authentication.token()
  await expect(authentication.renew(stale)).rejects.toThrow('refused')
  expect(await authentication.token()).toBe('up3')
  await Promise.all([authentication.renew('up3'), authentication.renew('up3'), authentication.renew('up1')])
  expect([await authentication.token(), tokens()]).toEqual(['up4', 4])
})

test('without a user there is no token, and nobody is asked', async () => {
  const authentication = createAuthentication(undefined, () => Promise.reject(new Error('asked')))
  await authentication.renew(undefined)
  expect(await authentication.token()).toBe(undefined)
})
