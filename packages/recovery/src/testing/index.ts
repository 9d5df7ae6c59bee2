export { type JournalSuite, journalCompliance, type SuiteRunner } from './compliance.ts'
