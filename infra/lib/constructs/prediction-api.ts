import { Stack, Validations } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import {
  HttpApi,
  HttpIntegrationType,
  HttpMethod,
  HttpNoneAuthorizer,
  HttpRoute,
  HttpRouteIntegration,
  type HttpRouteIntegrationBindOptions,
  type HttpRouteIntegrationConfig,
  HttpRouteKey,
  HttpStage,
  type IHttpRouteAuthorizer,
  LogGroupLogDestination,
  PayloadFormatVersion,
} from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer, HttpJwtAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Alias } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { StageConfig } from '../config';
import { statefulRemovalPolicy } from '../removal';

export interface PredictionApiProps {
  readonly stage: StageConfig;
  /** In order: the first also answers what no route matches. */
  readonly models: readonly { readonly name: string; readonly alias: Alias }[];
}

/**
 * One HTTP API for all models: KServe V1 and Open Inference Protocol V2 paths, each model's to its own function.
 *
 * - https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
 * - https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
 */
export class PredictionApi extends Construct {
  readonly api: HttpApi;
  readonly stage: HttpStage;

  constructor(scope: Construct, id: string, { stage, models }: PredictionApiProps) {
    super(scope, id);
    this.api = new HttpApi(this, 'HttpApi', {
      apiName: `sardonyx-${stage.name}`,
      description: `Sardonyx ${stage.name}: predictions`,
      createDefaultStage: false,
    });
    this.stage = this.createStage(stage);
    const authorizer = createAuthorizer(stage);
    for (const [index, model] of models.entries()) {
      const integration = new AliasIntegration(model.name, model.alias);
      const routes = modelRoutes(model.name);
      for (const key of index === 0 ? [HttpRouteKey.DEFAULT, ...routes] : routes) {
        this.addRoute(key, integration, authorizer, stage);
      }
      this.allowInvocation(model.alias);
    }
  }

  private createStage(stage: StageConfig): HttpStage {
    const logGroup = new LogGroup(this, 'AccessLogGroup', {
      retention: stage.logRetentionDays,
      removalPolicy: statefulRemovalPolicy(stage),
    });
    return new HttpStage(this, 'DefaultStage', {
      httpApi: this.api,
      stageName: '$default',
      autoDeploy: true,
      throttle: { rateLimit: stage.api.throttlingRate, burstLimit: stage.api.throttlingBurst },
      accessLogSettings: { destination: new LogGroupLogDestination(logGroup), format: ACCESS_LOG_FORMAT },
    });
  }

  private addRoute(
    routeKey: HttpRouteKey,
    integration: HttpRouteIntegration,
    authorizer: IHttpRouteAuthorizer,
    stage: StageConfig,
  ): void {
    const route = new HttpRoute(this, `Route ${routeKey.key}`.replaceAll('/', '.'), {
      httpApi: this.api,
      routeKey,
      integration,
      authorizer,
    });
    if (stage.authorization.type === 'open') {
      Validations.of(route).acknowledge({
        id: 'AwsSolutions-APIG4',
        reason: 'Only the local stage may be open, and bin/app.ts refuses it unless AWS_ENDPOINT_URL is on loopback.',
      });
    }
  }

  /**
   * One permission for the whole API. CDK's own would be one per route, with the path in the ARN pattern,
   * where the colon of `:predict` and the `$default` route do not match reliably.
   */
  private allowInvocation(alias: Alias): void {
    alias.addPermission('HttpApi', {
      principal: new ServicePrincipal('apigateway.amazonaws.com'),
      sourceArn: Stack.of(this).formatArn({
        service: 'execute-api',
        resource: this.api.apiId,
        resourceName: '*/*',
      }),
    });
  }
}

/** Any method: the model's own function answers a wrong one, with 405. */
function modelRoutes(model: string): HttpRouteKey[] {
  return [
    HttpRouteKey.with(`/v1/models/${model}:predict`, HttpMethod.ANY),
    HttpRouteKey.with(`/v1/models/${model}`, HttpMethod.ANY),
    HttpRouteKey.with(`/v2/models/${model}`, HttpMethod.ANY),
    HttpRouteKey.with(`/v2/models/${model}/{proxy+}`, HttpMethod.ANY),
  ];
}

function createAuthorizer({ authorization }: StageConfig): IHttpRouteAuthorizer {
  switch (authorization.type) {
    case 'open':
      return new HttpNoneAuthorizer();
    case 'iam':
      return new HttpIamAuthorizer();
    case 'jwt':
      return new HttpJwtAuthorizer('JwtAuthorizer', authorization.issuer, {
        jwtAudience: [...authorization.audience],
      });
  }
}

/** A Lambda proxy integration with an alias that leaves the permission to the API. */
class AliasIntegration extends HttpRouteIntegration {
  private readonly alias: Alias;

  constructor(id: string, alias: Alias) {
    super(id);
    this.alias = alias;
  }

  override bind(_options: HttpRouteIntegrationBindOptions): HttpRouteIntegrationConfig {
    return {
      type: HttpIntegrationType.AWS_PROXY,
      uri: this.alias.functionArn,
      payloadFormatVersion: PayloadFormatVersion.VERSION_2_0,
    };
  }
}

// No path and no user agent: the route says which model was called; request bodies are never logged.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
const ACCESS_LOG_FORMAT = AccessLogFormat.custom(
  JSON.stringify({
    requestId: '$context.requestId',
    requestTime: '$context.requestTime',
    sourceIp: '$context.identity.sourceIp',
    routeKey: '$context.routeKey',
    status: '$context.status',
    responseLength: '$context.responseLength',
    responseLatencyMilliseconds: '$context.responseLatency',
    integrationLatencyMilliseconds: '$context.integrationLatency',
    integrationStatus: '$context.integrationStatus',
    integrationError: '$context.integrationErrorMessage',
    error: '$context.error.message',
    authorizerError: '$context.authorizer.error',
  }),
);
