import { z } from 'zod'

/** What differs from machine to machine. Everything else is in the settings file. */
const schema = z.object({
  /** Who this is, for the collector and the backups. */
  AGENT_NAME: z.string().min(1).default('edge-agent'),
  /** What must survive a restart lies below. */
  STATE_DIR: z.string().min(1),
  SETTINGS_FILE: z.string().min(1),
  /** A repository of backups: a folder, best on another disk. */
  BACKUP_DIR: z.string().min(1),
  BACKUP_CRON: z.string().min(1).default('*/15 * * * *'),
  COLLECTOR_URL: z.url({ protocol: /^https?$/ }),
  /** Loopback keeps the probes on this machine; a kubelet needs 0.0.0.0. */
  HEALTH_HOST: z.string().min(1).default('127.0.0.1'),
  HEALTH_PORT: z.coerce.number().int().min(0).max(65_535).default(8_080),
  /** How long load balancers get to notice that this process stops. */
  DRAIN_DELAY_MS: z.coerce.number().int().min(0).default(5_000),
})

export type Environment = z.infer<typeof schema>

/** sysexits' EX_CONFIG: starting it again changes nothing, and the unit file says so. */
const misconfigured = 78

/** This process's environment. Ends the process, saying why, where that is not complete. */
export function ownEnvironment(): Environment {
  try {
    return readEnvironment(process.env)
  } catch (error) {
    console.error(`The environment is not complete:\n${(error as Error).message}`)
    process.exit(misconfigured)
  }
}

/** Reads the environment, or throws one error that names everything that is wrong with it. */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): Environment {
  const { data, error } = schema.safeParse(variables)
  if (data) return data
  throw new TypeError(error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'))
}
