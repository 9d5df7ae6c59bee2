import { expect, test } from 'vitest'
import { checkOptions, type EtcdStoreOptions } from './options.ts'

const endpoints = ['http://a:1']

test.each([
  ['http://host', 'host:2379'],
  ['http://host:80', 'host:80'],
  ['https://host:443/', 'host:443'],
  ['http://10.0.0.1:2380', '10.0.0.1:2380'],
  ['http://[::1]:2379', '[::1]:2379'],
])('%s is %s', (url, address) => {
  expect(checkOptions({ endpoints: [url] }).endpoints).toEqual([{ url, address }])
})

test.each<[string, unknown]>([
  ['endpoints', { endpoints: [] }],
  ['endpoints', { endpoints: 'http://a' }],
  ['endpoints[0]', { endpoints: ['a:2379'] }],
  ['endpoints[1]', { endpoints: ['http://a', 'ftp://b'] }],
  ['endpoints[0]', { endpoints: ['http://a/path'] }],
  ['endpoints[0]', { endpoints: ['http://user:secret@a'] }],
  ['endpoints', { endpoints: ['http://a', 'https://b'] }],
  ['tls', { endpoints, tls: { caFile: 'ca' } }],
  ['tls.certFile', { endpoints: ['https://a'], tls: { certFile: 'c' } }],
  ['tls.caFile', { endpoints: ['https://a'], tls: { caFile: '' } }],
  ['tls.reloadMs', { endpoints: ['https://a'], tls: { reloadMs: 1 } }],
  ['auth.username', { endpoints, auth: { username: '', password: 'p' } }],
  ['auth.password', { endpoints, auth: { username: 'u', password: '' } }],
  ['namespace', { endpoints, namespace: 7 }],
  ['connect', { endpoints, connect: 'soon' }],
  ['requestTimeoutMs', { endpoints, requestTimeoutMs: 0 }],
  ['keepAlive.timeMs', { endpoints, keepAlive: { timeMs: 4_999 } }],
  ['keepAlive.timeoutMs', { endpoints, keepAlive: { timeoutMs: 0 } }],
  ['watchBufferBytes', { endpoints, watchBufferBytes: 1.5 }],
  ['clock', { endpoints, clock: {} }],
  ['random', { endpoints, random: 4 }],
])('a bad %s is named', (name, options) => {
  expect(() => checkOptions(options as EtcdStoreOptions)).toThrow(name)
  expect(() => checkOptions(options as EtcdStoreOptions)).not.toThrow('secret')
})
