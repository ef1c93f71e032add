import { RemovalPolicy } from 'aws-cdk-lib';
import type { StageConfig } from './config';

/**
 * What happens to data, messages and logs when their stack goes: the local stage is disposable, elsewhere
 * they stay, except when the very deployment that creates them is rolled back.
 */
export function statefulRemovalPolicy(stage: StageConfig): RemovalPolicy {
  return stage.local ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE;
}
