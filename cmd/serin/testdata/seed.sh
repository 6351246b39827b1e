echo "--- 1.2 deploy"
curl -X POST "http://localhost:8000/admin/deploy-canary" -H "Content-Type: application/json" -d '{"model_path": "models/model_v2.joblib"}'

echo "--- 1.3 traffic"
for i in {1..200}; do 
  curl -X POST "http://localhost:8000/predict" -H "Content-Type: application/json" -d '{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}'; 
  echo ""; 
done

echo "--- 1.4 check"
curl -X GET "http://localhost:8000/admin/check-canary-health"

echo "--- 1.5 slowdown"
curl -X POST "http://localhost:8000/admin/toggle-slowdown"

echo "--- 1.6 traffic"
for i in {1..200}; do 
  curl -X POST "http://localhost:8000/predict" -H "Content-Type: application/json" -d '{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}'; 
  echo ""; 
done

echo "--- 1.7 check"
curl -X GET "http://localhost:8000/admin/check-canary-health"

echo "--- 1.8 rollback"
curl -X POST "http://localhost:8000/admin/rollback-canary"

echo "--- 1.9 confirm"
curl -X POST "http://localhost:8000/predict" -H "Content-Type: application/json" -d '{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}'

echo "--- 2.1 deploy"
curl -X POST "http://localhost:8000/admin/deploy-canary" -H "Content-Type: application/json" -d '{"model_path": "models/model_v2.joblib"}'

echo "--- 2.2 traffic"
for i in {1..200}; do 
  curl -X POST "http://localhost:8000/predict" -H "Content-Type: application/json" -d '{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}'; 
  echo ""; 
done

echo "--- 2.3 check"
curl -X GET "http://localhost:8000/admin/check-canary-health"

echo "--- 2.4 promote"
curl -X POST "http://localhost:8000/admin/promote-canary"

echo "--- 2.5 confirm"
curl -X POST "http://localhost:8000/predict" -H "Content-Type: application/json" -d '{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}'
